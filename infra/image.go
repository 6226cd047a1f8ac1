package main

func (d *deployment) addImage() string { return "ami-0123456789abcdef0" }

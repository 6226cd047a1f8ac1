// Package local is everything outside the control plane, on one Linux machine: a store in one file, hosts that are groups
// of processes, loopback addresses, directories as volumes, secrets in files, and an HTTP front door. It decides nothing;
// what is true here must be true on AWS as well, and the suites of platformtest hold both to it.
package local

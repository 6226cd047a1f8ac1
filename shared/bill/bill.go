// Package bill computes what Millrace costs a month: the control plane, a cluster that nobody uses, a cluster's hosts,
// volumes and traffic, and what MSK asks for the same brokers. Values in, lines out; prices are those of shared/awsfacts,
// list prices of us-east-1.
//
// It asks no account what it really paid, and knows no discounts.
package bill

import (
	"github.com/millrace/millrace/shared/awsfacts"
)

// Hours are those of a month, by AWS's own way of counting.
const Hours = 730

const (
	seconds = Hours * 3600
	minutes = Hours * 60
)

// Line is one thing on a bill.
type Line struct {
	Name     string  `json:"name"`
	Quantity float64 `json:"quantity"`
	Unit     string  `json:"unit"`
	// USD is the list price of the quantity; Free is what the tier that is always free would take off, if nothing else in
	// the account used it.
	USD  float64 `json:"usd"`
	Free float64 `json:"free"`
	Why  string  `json:"why,omitempty"`
}

// Sheet is a bill, or a part of one.
type Sheet struct {
	Title string `json:"title"`
	Lines []Line `json:"lines"`
}

// USD is the sum of a sheet at list prices.
func (s Sheet) USD() (sum float64) {
	for _, l := range s.Lines {
		sum += l.USD
	}
	return sum
}

// Free is what the tiers that are always free take off.
func (s Sheet) Free() (sum float64) {
	for _, l := range s.Lines {
		sum += l.Free
	}
	return sum
}

// line prices a quantity.
func line(name, price string, quantity float64, why string) Line {
	p := awsfacts.PriceOf(price)
	return Line{Name: name, Quantity: quantity, Unit: p.Unit, USD: p.Of(quantity), Free: p.Of(min(quantity, p.Free)), Why: why}
}

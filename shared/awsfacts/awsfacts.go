// Package awsfacts holds what Millrace counts on about AWS: prices, latencies and limits, as tables with a source for every
// row. All prices are list prices of us-east-1 in US dollars.
//
// It computes nothing: shared/bill makes bills of the prices, and the models of creates, replacements and growths draw from the latencies.
package awsfacts

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Region is whose prices the table has.
const Region = "us-east-1"

var (
	//go:embed prices.csv
	pricesCSV []byte
	//go:embed latencies.csv
	latenciesCSV []byte
	//go:embed limits.csv
	limitsCSV []byte
)

// Price is what one thing costs.
type Price struct {
	Name string
	// USD is the price of so many (Each) units.
	USD  float64
	Each float64
	Unit string
	// Free is how many units of every month never cost anything, in any account at any age; zero for most.
	Free float64
	// Source is where the price stands; Second is what it was checked against.
	Source, Second string
}

// Of is the list price of a quantity.
func (p Price) Of(quantity float64) float64 { return quantity / p.Each * p.USD }

// Latency is how long something takes: half of the time within P50, nine times of ten within P90.
type Latency struct {
	Name     string
	P50, P90 time.Duration
	// Whose time it is: AWS's, a host's (its boot, Kafka's start), or that of our own control plane.
	Whose  Owner
	Source string
}

// Owner is who is at work while time passes.
type Owner string

const (
	AWS  Owner = "aws"
	Host Owner = "host"
	Own  Owner = "own"
)

// Draw gives one duration for one drawing of a standard normal variable. The distribution is log-normal: never negative,
// with the long tail that waiting for a cloud has, and given by its two percentiles.
func (l Latency) Draw(normal float64) time.Duration {
	const ninetieth = 1.2815515655446004 // of the standard normal distribution
	sigma := math.Log(float64(l.P90)/float64(l.P50)) / ninetieth
	return time.Duration(float64(l.P50) * math.Exp(sigma*normal))
}

// Limit is a bound that AWS keeps.
type Limit struct {
	Name   string
	Unit   string
	Source string
	value  string
}

// Count is the limit as a number of its units.
func (l Limit) Count() int {
	n, err := strconv.Atoi(l.value)
	if err != nil {
		panic(fmt.Sprintf("limit %s is no count: %v", l.Name, err))
	}
	return n
}

// Duration is the limit as a length of time.
func (l Limit) Duration() time.Duration {
	d, err := time.ParseDuration(l.value)
	if err != nil {
		panic(fmt.Sprintf("limit %s is no duration: %v", l.Name, err))
	}
	return d
}

// Prices are all prices, in the order of the table.
func Prices() []Price { return prices.all }

// Latencies are all latencies, in the order of the table.
func Latencies() []Latency { return latencies.all }

// Limits are all limits, in the order of the table.
func Limits() []Limit { return limits.all }

// PriceOf gives the price of that name. A name that a caller writes down and the table lacks is a mistake in the program:
// it panics. Names that come from outside are looked up with [FindPrice].
func PriceOf(name string) Price { return prices.of(name) }

// FindPrice gives the price of that name, if there is one.
func FindPrice(name string) (Price, bool) {
	i, ok := prices.index[name]
	if !ok {
		return Price{}, false
	}
	return prices.all[i], true
}

// LatencyOf gives the latency of that name, as PriceOf does.
func LatencyOf(name string) Latency { return latencies.of(name) }

// LimitOf gives the limit of that name, as PriceOf does.
func LimitOf(name string) Limit { return limits.of(name) }

var (
	prices = read(pricesCSV, "name,usd,each,unit,free,source,second", func(row []string) (string, Price, error) {
		numbers, err := floats(row[1], row[2], row[4])
		if err != nil {
			return row[0], Price{}, err
		}
		return row[0], Price{row[0], numbers[0], numbers[1], row[3], numbers[2], row[5], row[6]}, nil
	})
	latencies = read(latenciesCSV, "name,p50,p90,whose,source", func(row []string) (string, Latency, error) {
		p50, err := time.ParseDuration(row[1])
		if err != nil {
			return row[0], Latency{}, err
		}
		p90, err := time.ParseDuration(row[2])
		return row[0], Latency{row[0], p50, p90, Owner(row[3]), row[4]}, err
	})
	limits = read(limitsCSV, "name,value,unit,source", func(row []string) (string, Limit, error) {
		return row[0], Limit{Name: row[0], value: row[1], Unit: row[2], Source: row[3]}, nil
	})
)

// table is one of the tables, in order and by name.
type table[T any] struct {
	all   []T
	index map[string]int
}

func (t table[T]) of(name string) T {
	i, ok := t.index[name]
	if !ok {
		panic(fmt.Sprintf("awsfacts has no %q", name))
	}
	return t.all[i]
}

// read parses an embedded table. What is embedded is part of the program: a mistake in it panics, in every test.
func read[T any](body []byte, header string, parse func(row []string) (string, T, error)) table[T] {
	rows, err := csv.NewReader(bytes.NewReader(body)).ReadAll()
	if err != nil || strings.Join(rows[0], ",") != header {
		panic(fmt.Sprintf("the table of %s: %v", header, err))
	}
	t := table[T]{index: map[string]int{}}
	for _, row := range rows[1:] {
		name, value, err := parse(row)
		if _, twice := t.index[name]; err != nil || twice {
			panic(fmt.Sprintf("the row %q (there already: %t): %v", row, twice, err))
		}
		t.index[name] = len(t.all)
		t.all = append(t.all, value)
	}
	return t
}

func floats(texts ...string) ([]float64, error) {
	numbers := make([]float64, len(texts))
	for i, text := range texts {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, err
		}
		numbers[i] = n
	}
	return numbers, nil
}

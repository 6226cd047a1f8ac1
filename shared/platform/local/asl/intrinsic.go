package asl

import (
	"crypto/md5"  //nolint:gosec // States.Hash offers it
	"crypto/sha1" //nolint:gosec // States.Hash offers it
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
)

// intrinsic is one of the functions that definitions can call.
type intrinsic struct {
	least, most int // number of arguments; most < 0: any
	run         func(in scope, args []any) (any, error)
}

// pure makes an intrinsic of a function that looks at nothing but its arguments.
func pure(least, most int, run func(args []any) (any, error)) intrinsic {
	return intrinsic{least, most, func(_ scope, args []any) (any, error) { return run(args) }}
}

// Filled in init, because parsing a nested call needs the table again.
var intrinsics map[string]intrinsic

func init() {
	intrinsics = map[string]intrinsic{
		"States.Array":          pure(0, -1, func(args []any) (any, error) { return append([]any{}, args...), nil }),
		"States.ArrayContains":  pure(2, 2, arrayContains),
		"States.ArrayGetItem":   pure(2, 2, arrayGetItem),
		"States.ArrayLength":    pure(1, 1, arrayLength),
		"States.ArrayPartition": pure(2, 2, arrayPartition),
		"States.ArrayRange":     pure(3, 3, arrayRange),
		"States.ArrayUnique":    pure(1, 1, arrayUnique),
		"States.Base64Decode":   pure(1, 1, base64Decode),
		"States.Base64Encode":   pure(1, 1, base64Encode),
		"States.Format":         pure(1, -1, format),
		"States.Hash":           pure(2, 2, hashOf),
		"States.JsonMerge":      pure(3, 3, jsonMerge),
		"States.JsonToString":   pure(1, 1, func(args []any) (any, error) { return string(encode(args[0])), nil }),
		"States.StringToJson":   pure(1, 1, stringToJSON),
		"States.StringSplit":    pure(2, 2, stringSplit),
		"States.MathAdd":        pure(2, 2, mathAdd),
		"States.MathRandom":     {2, 3, mathRandom},
		"States.UUID":           {0, 0, uuid},
	}
}

var (
	errWantsArray  = errors.New("the first argument has to be an array")
	errWantsString = errors.New("the argument has to be a string")
)

func arrayContains(args []any) (any, error) {
	list, ok := args[0].([]any)
	if !ok {
		return nil, errWantsArray
	}
	for _, item := range list {
		if equal(item, args[1]) {
			return true, nil
		}
	}
	return false, nil
}

func arrayGetItem(args []any) (any, error) {
	list, ok := args[0].([]any)
	if !ok {
		return nil, errWantsArray
	}
	i, ok := integer(args[1])
	if !ok || i < 0 || i >= int64(len(list)) {
		return nil, fmt.Errorf("index %s is outside of an array of %d", encode(args[1]), len(list))
	}
	return list[i], nil
}

func arrayLength(args []any) (any, error) {
	list, ok := args[0].([]any)
	if !ok {
		return nil, errWantsArray
	}
	return int64(len(list)), nil
}

func arrayPartition(args []any) (any, error) {
	list, ok := args[0].([]any)
	if !ok {
		return nil, errWantsArray
	}
	size, ok := number(args[1])
	n := int(rounded(size))
	if !ok || n < 1 {
		return nil, errors.New("the size of a chunk has to be a positive number")
	}
	chunks := []any{}
	for start := 0; start < len(list); start += n {
		chunks = append(chunks, list[start:min(start+n, len(list))])
	}
	return chunks, nil
}

// arrayRange counts from the first argument to the second, both included, by the third.
func arrayRange(args []any) (any, error) {
	var n [3]int64
	for i, a := range args {
		f, ok := number(a)
		if !ok {
			return nil, errors.New("the arguments have to be numbers")
		}
		n[i] = rounded(f)
	}
	first, last, step := n[0], n[1], n[2]
	if step == 0 {
		return nil, errors.New("the step can't be 0")
	}
	out := []any{}
	for i := first; (step > 0 && i <= last) || (step < 0 && i >= last); i += step {
		if len(out) == 1000 {
			return nil, errors.New("the range has more than 1000 items")
		}
		out = append(out, i)
	}
	return out, nil
}

func arrayUnique(args []any) (any, error) {
	list, ok := args[0].([]any)
	if !ok {
		return nil, errWantsArray
	}
	out := []any{}
	for _, item := range list {
		if seen, _ := arrayContains([]any{out, item}); seen != true {
			out = append(out, item)
		}
	}
	return out, nil
}

// equal compares as JSON does: 1 and 1.0 are the same number.
func equal(a, b any) bool {
	x, xIsNumber := number(a)
	y, yIsNumber := number(b)
	if xIsNumber && yIsNumber {
		return x == y
	}
	return reflect.DeepEqual(a, b)
}

const encodeLimit = 10_000 // characters, as on AWS

func base64Encode(args []any) (any, error) {
	text, ok := args[0].(string)
	if !ok {
		return nil, errWantsString
	}
	if len(text) > encodeLimit {
		return nil, fmt.Errorf("the string is longer than %d characters", encodeLimit)
	}
	return base64.StdEncoding.EncodeToString([]byte(text)), nil
}

func base64Decode(args []any) (any, error) {
	text, ok := args[0].(string)
	if !ok {
		return nil, errWantsString
	}
	if len(text) > encodeLimit {
		return nil, fmt.Errorf("the string is longer than %d characters", encodeLimit)
	}
	out, err := base64.StdEncoding.DecodeString(text)
	return string(out), err
}

var hashes = map[string]func() hash.Hash{
	"MD5": md5.New, "SHA-1": sha1.New, "SHA-256": sha256.New, "SHA-384": sha512.New384, "SHA-512": sha512.New,
}

func hashOf(args []any) (any, error) {
	algorithm, _ := args[1].(string)
	newHash, known := hashes[algorithm]
	if !known {
		return nil, fmt.Errorf("%s is not a hash algorithm", encode(args[1]))
	}
	text, ok := args[0].(string)
	if !ok {
		text = string(encode(args[0]))
	}
	if len(text) > encodeLimit {
		return nil, fmt.Errorf("the data is longer than %d characters", encodeLimit)
	}
	h := newHash()
	h.Write([]byte(text))
	return hex.EncodeToString(h.Sum(nil)), nil
}

// jsonMerge merges shallowly, as AWS does: the third argument (deep) has to be false.
func jsonMerge(args []any) (any, error) {
	a, okA := args[0].(map[string]any)
	b, okB := args[1].(map[string]any)
	if !okA || !okB {
		return nil, errors.New("the first two arguments have to be objects")
	}
	if args[2] != false {
		return nil, errors.New("only a shallow merge is supported: the third argument has to be false")
	}
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out, nil
}

func stringToJSON(args []any) (any, error) {
	text, ok := args[0].(string)
	if !ok {
		return nil, errWantsString
	}
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	return decode([]byte(text))
}

// stringSplit cuts at any of the characters of the second argument and drops empty parts.
func stringSplit(args []any) (any, error) {
	text, okText := args[0].(string)
	separators, okSeparators := args[1].(string)
	if !okText || !okSeparators {
		return nil, errors.New("the arguments have to be strings")
	}
	out := []any{}
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(separators, r) }) {
		out = append(out, part)
	}
	return out, nil
}

// rounded rounds half up, towards positive infinity.
func rounded(f float64) int64 { return int64(math.Floor(f + 0.5)) }

func mathAdd(args []any) (any, error) {
	a, okA := number(args[0])
	b, okB := number(args[1])
	if !okA || !okB {
		return nil, errors.New("the arguments have to be numbers")
	}
	return rounded(a) + rounded(b), nil
}

// mathRandom gives a whole number from the first argument to below the second; a third one is a seed.
func mathRandom(in scope, args []any) (any, error) {
	low, okLow := number(args[0])
	high, okHigh := number(args[1])
	from, to := rounded(low), rounded(high)
	if !okLow || !okHigh || from >= to {
		return nil, errors.New("the arguments have to be two numbers, the smaller one first")
	}
	source := in.rand
	if len(args) == 3 {
		seed, ok := number(args[2])
		if !ok {
			return nil, errors.New("the seed has to be a number")
		}
		source = rand.New(rand.NewPCG(uint64(rounded(seed)), 0)) //nolint:gosec // not a secret
	}
	return from + source.Int64N(to-from), nil
}

func uuid(in scope, _ []any) (any, error) {
	var b [16]byte
	for i := range b {
		b[i] = byte(in.rand.Uint32())
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // version 4, variant 1
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}

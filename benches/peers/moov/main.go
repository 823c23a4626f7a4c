// What moov-io/iso8583 makes of messages, for comparison: parse, assemble, bench.
// The lines of JSON that go in and come out are described in ../../../interop/README.md.
package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sort"
	"strconv"
	"time"

	"github.com/moov-io/iso8583"
	"github.com/moov-io/iso8583/field"
	"github.com/moov-io/iso8583/specs"
)

const (
	rounds = 15
	round  = 30 * time.Millisecond
)

type line struct {
	ID     string         `json:"id"`
	MTI    string         `json:"mti,omitempty"`
	Fields map[string]any `json:"fields,omitempty"`
	Frame  string         `json:"frame,omitempty"`
	Error  string         `json:"error,omitempty"`
}

type figure struct {
	ID        string  `json:"id"`
	Direction string  `json:"direction"`
	NS        float64 `json:"ns,omitempty"`
	Error     string  `json:"error,omitempty"`
}

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "peer parse|assemble|bench SPEC INPUT OUTPUT")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(mode, specPath, input, output string) error {
	raw, err := os.ReadFile(specPath)
	if err != nil {
		return err
	}
	spec, err := specs.Builder.ImportJSON(raw)
	if err != nil {
		return err
	}
	in, err := os.ReadFile(input)
	if err != nil {
		return err
	}
	file, err := os.Create(output)
	if err != nil {
		return err
	}
	defer file.Close()
	out := bufio.NewWriter(file)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for _, text := range bytes.Split(in, []byte("\n")) {
		if len(text) == 0 {
			continue
		}
		var message line
		if err := json.Unmarshal(text, &message); err != nil {
			return err
		}
		var answers []any
		switch mode {
		case "parse":
			answers = []any{parse(spec, message)}
		case "assemble":
			answers = []any{assemble(spec, message)}
		case "bench":
			answers = bench(spec, message)
		default:
			return fmt.Errorf("no mode %q", mode)
		}
		for _, answer := range answers {
			if err := encoder.Encode(answer); err != nil {
				return err
			}
		}
	}
	return nil
}

// read unpacks a frame and gives the values of all its fields.
func read(spec *iso8583.MessageSpec, frame []byte) (string, map[string]any, error) {
	message := iso8583.NewMessage(spec)
	if err := message.Unpack(frame); err != nil {
		return "", nil, err
	}
	mti, err := message.GetMTI()
	if err != nil {
		return "", nil, err
	}
	fields := map[string]any{}
	for number, value := range message.GetFields() {
		if number < 2 {
			continue
		}
		if binary, ok := value.(*field.Binary); ok {
			raw, err := binary.Bytes()
			if err != nil {
				return "", nil, err
			}
			fields[strconv.Itoa(number)] = map[string]string{"hex": hex.EncodeToString(raw)}
			continue
		}
		text, err := value.String()
		if err != nil {
			return "", nil, err
		}
		fields[strconv.Itoa(number)] = text
	}
	return mti, fields, nil
}

func parse(spec *iso8583.MessageSpec, message line) (answer line) {
	answer.ID = message.ID
	defer func() {
		if problem := recover(); problem != nil {
			answer.Error = fmt.Sprint("panic: ", problem)
		}
	}()
	frame, err := hex.DecodeString(message.Frame)
	if err == nil {
		answer.MTI, answer.Fields, err = read(spec, frame)
	}
	if err != nil {
		answer.Error = err.Error()
	}
	return answer
}

// value is what a field is set to: bytes if there are any, or text.
type value struct {
	number int
	text   string
	raw    []byte
}

// values are those of a line, so that no JSON is read while the clock runs.
func values(from line) ([]value, error) {
	all := make([]value, 0, len(from.Fields))
	for key, given := range from.Fields {
		number, err := strconv.Atoi(key)
		if err != nil {
			return nil, err
		}
		one := value{number: number}
		switch given := given.(type) {
		case string:
			one.text = given
		case map[string]any:
			digits, _ := given["hex"].(string)
			if one.raw, err = hex.DecodeString(digits); err != nil {
				return nil, err
			}
		default:
			return nil, errors.New("a value is neither text nor bytes")
		}
		all = append(all, one)
	}
	return all, nil
}

// build makes a message of a line.
func build(spec *iso8583.MessageSpec, from line) (*iso8583.Message, error) {
	all, err := values(from)
	if err != nil {
		return nil, err
	}
	message := iso8583.NewMessage(spec)
	return message, set(message, from.MTI, all)
}

// set gives a message its values.
func set(message *iso8583.Message, mti string, all []value) error {
	message.MTI(mti)
	for _, one := range all {
		var err error
		if one.raw != nil {
			err = message.BinaryField(one.number, one.raw)
		} else {
			err = message.Field(one.number, one.text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func assemble(spec *iso8583.MessageSpec, from line) (answer line) {
	answer.ID = from.ID
	defer func() {
		if problem := recover(); problem != nil {
			answer.Error = fmt.Sprint("panic: ", problem)
		}
	}()
	message, err := build(spec, from)
	if err == nil {
		var frame []byte
		if frame, err = message.Pack(); err == nil {
			answer.Frame = hex.EncodeToString(frame)
		}
	}
	if err != nil {
		answer.Error = err.Error()
	}
	return answer
}

// same says why values are not those of a line.
func same(want line, mti string, fields map[string]any) error {
	if mti != want.MTI || len(fields) != len(want.Fields) {
		return errors.New("type or number of fields differs")
	}
	for number, value := range want.Fields {
		expected, found := fmt.Sprint(value), fmt.Sprint(fields[number])
		if bytes.EqualFold([]byte(expected), []byte(found)) {
			continue
		}
		return fmt.Errorf("field %s differs", number)
	}
	return nil
}

func measure(call func()) float64 {
	calls := 64
	for {
		begun := time.Now()
		for range calls {
			call()
		}
		if time.Since(begun) >= round {
			break
		}
		calls *= 2
	}
	figures := make([]float64, rounds)
	for place := range figures {
		begun := time.Now()
		for range calls {
			call()
		}
		figures[place] = float64(time.Since(begun).Nanoseconds()) / float64(calls)
	}
	sort.Float64s(figures)
	return figures[rounds/2]
}

func bench(spec *iso8583.MessageSpec, from line) []any {
	frame, err := hex.DecodeString(from.Frame)
	var fields map[string]any
	var mti string
	if err == nil {
		mti, fields, err = read(spec, frame)
	}
	if err == nil {
		err = same(from, mti, fields)
	}
	decode := figure{ID: from.ID, Direction: "decode"}
	reused := iso8583.NewMessage(spec)
	if err != nil {
		decode.Error = err.Error()
	} else {
		decode.NS = measure(func() {
			// Used again: making a message of a specification costs more than reading into it.
			if err := reused.Unpack(frame); err != nil {
				panic(err)
			}
		})
	}
	encode := figure{ID: from.ID, Direction: "encode"}
	compose := figure{ID: from.ID, Direction: "compose"}
	all, err := values(from)
	var message *iso8583.Message
	if err == nil {
		message, err = build(spec, from)
	}
	if err == nil {
		var packed []byte
		if packed, err = message.Pack(); err == nil && !bytes.Equal(packed, frame) {
			err = errors.New("the bytes differ")
		}
	}
	if err != nil {
		encode.Error = err.Error()
		compose.Error = err.Error()
	} else {
		compose.NS = measure(func() {
			message := iso8583.NewMessage(spec)
			err := set(message, from.MTI, all)
			if err == nil {
				_, err = message.Pack()
			}
			if err != nil {
				panic(err)
			}
		})
		encode.NS = measure(func() {
			if _, err := message.Pack(); err != nil {
				panic(err)
			}
		})
	}
	return []any{decode, encode, compose}
}

module peer

go 1.23

require github.com/moov-io/iso8583 v0.23.1

require (
	github.com/yerden/go-util v1.1.4 // indirect
	golang.org/x/text v0.21.0 // indirect
)

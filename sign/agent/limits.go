package agent

import "time"

const (
	// maxAnswer bounds an agent's answer, in bytes, as OpenSSH's agent does.
	maxAnswer = 256 << 10

	// connectTimeout bounds the way to the socket, and listTimeout the answer to a
	// question that asks nobody.
	connectTimeout = 5 * time.Second
	listTimeout    = 10 * time.Second

	// signTimeout bounds a signature: a person may be asked to confirm it.
	signTimeout = time.Minute
)

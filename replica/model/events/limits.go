package events

// MaxName bounds an event's name, in bytes. It is part of the encoding.
const MaxName = 255

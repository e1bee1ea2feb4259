package node

import "time"

const (
	// DefaultAddress is where a node listens when nobody says otherwise.
	DefaultAddress = "127.0.0.1:4427"
	// DefaultTopic is a node's topic when nobody says otherwise.
	DefaultTopic = "default"

	// Heads cost a signature each, and all pacing divides the interval by 30.
	minHeadInterval = 100 * time.Millisecond
	maxHeadInterval = 24 * time.Hour

	// noteEvery is how often a running node notes in config.json how far it has written.
	// A backup that is younger and put back into the same file is found by peers only.
	noteEvery = 5 * time.Second

	// portTries is how many ports from the default one on are tried.
	portTries = 64

	// maxConfig bounds config.json, in bytes: a key line, two paths and 64 topics of
	// 255 bytes, escaped.
	maxConfig = 256 << 10

	// maxSocketPath bounds the path of a Unix socket, in bytes. sun_path has 104 on
	// some systems, with the final zero.
	maxSocketPath = 100
	// maxRequest bounds the body of a request on the socket but import's, in bytes. The
	// largest carries a clock of 56,676 authors, which as JSON takes about 220 each.
	maxRequest = 16 << 20
	// maxRequests bounds the requests that are served at a time. It leaves room for
	// many writers: each waits for the disk.
	maxRequests = 1024
	// requestTimeout bounds how long a client may take to send its request's head.
	requestTimeout = 10 * time.Second
	// stopGrace is what requests under way have when the node stops.
	stopGrace = 3 * time.Second

	// startupWait is how long Attach waits for a node that has the directory's lock and
	// does not answer yet, or stops. It looks every startupLook.
	startupWait = 10 * time.Second
	startupLook = 25 * time.Millisecond

	// A peer whose session ended through its own fault is refused for banFirst, doubled
	// each time up to banMost, until banMost has passed without another fault.
	banFirst = time.Minute
	banMost  = time.Hour
	// maxBans bounds the ids that are remembered for it, about 200 bytes each.
	maxBans = 1024
	// maxReason bounds a reason that Status shows, in bytes.
	maxReason = 500

	// trustWait is how long Trust, Untrust and TrustBundle wait for another of them, which
	// may have thousands of files to flush. They look every trustLook.
	trustWait = time.Minute
	trustLook = 10 * time.Millisecond

	// exportChunk is how much of an export goes into one line on the socket, in bytes.
	exportChunk = 48 << 10
)

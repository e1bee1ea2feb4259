package link

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/hearsaynet/hearsay/keys"
)

// ErrClosed is returned when the Endpoint has been closed.
var ErrClosed = errors.New("link: endpoint closed")

// ErrRestart is wrapped by a handler's error to have Maintain link again at once.
var ErrRestart = errors.New("link: link again")

// Reason says why there is no link. New reasons are appended; zero is none.
type Reason uint8

const (
	ReasonNotTLS      Reason = iota + 1 // something else is spoken there: HTTP, SSH, noise
	ReasonProtocol                      // TLS, but not 1.3 with ALPN hearsay/1
	ReasonHandshake                     // the TLS handshake itself failed
	ReasonCertificate                   // no certificate, several, or not one with a proof
	ReasonProof                         // the proof does not hold: signature, dates, key
	ReasonOwnID                         // this node itself
	ReasonWrongID                       // proved to be another node than the one asked for
	ReasonByPeer                        // the peer refused our certificate, our address, or this node
	ReasonTimeout                       // no handshake within HandshakeTimeout
	ReasonHungUp                        // the connection ended within the handshake
	ReasonSigner                        // our own certificate could not be signed
	ReasonFull                          // MaxConns, and nobody has more links than this address
	ReasonPrefix                        // MaxPerPrefix
	ReasonRate                          // too many connections from this address in a short time
	ReasonDisplaced                     // closed for others, as the largest user of a full total
	ReasonBanned                        // refused for a while, after faults of this address or, as a handler may know, of this id
	reasonEnd
)

var reasonNames = [reasonEnd]string{
	"", "not TLS", "not hearsay", "handshake failed", "certificate", "proof", "own id", "wrong id",
	"refused by peer", "timeout", "hung up", "no signature", "full", "full for its address",
	"too many from its address", "displaced", "banned",
}

func (r Reason) String() string {
	if r == 0 || r >= reasonEnd {
		return fmt.Sprintf("Reason(%d)", uint8(r))
	}
	return reasonNames[r]
}

// refused tells what answered and is not wanted from what may just be down or busy.
func (r Reason) refused() bool {
	return r >= ReasonNotTLS && r <= ReasonByPeer || r == ReasonBanned
}

// HandshakeError says why a connection did not become a link.
type HandshakeError struct {
	Addr   string // the peer's address, as dialed or accepted
	Reason Reason
	ID     keys.NodeID // what the peer claimed to be; zero unless OwnID or WrongID
	Err    error       // the same for people, without the address
}

func (e *HandshakeError) Error() string {
	if e.Addr == "" {
		return "link: " + e.Err.Error()
	}
	return "link: " + e.Addr + ": " + e.Err.Error()
}

func (e *HandshakeError) Unwrap() error { return e.Err }

func refuse(reason Reason, format string, args ...any) *HandshakeError {
	return &HandshakeError{Reason: reason, Err: fmt.Errorf(format, args...)}
}

// explain turns what crypto/tls says about a failed handshake into a
// HandshakeError. timedOut: the time for it had run out.
func explain(addr string, err error, timedOut bool, timeout time.Duration) *HandshakeError {
	var e *HandshakeError
	if own, ok := errors.AsType[*HandshakeError](err); ok {
		copied := *own
		e = &copied
	} else if header, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		e = refuse(ReasonNotTLS, "speaks %s, not hearsay", spoken(header.RecordHeader))
	} else if alert, ok := remoteAlert(err); ok {
		e = explainAlert(alert)
	} else if timedOut || errors.Is(err, os.ErrDeadlineExceeded) {
		e = refuse(ReasonTimeout, "no handshake within %v", timeout)
	} else if hungUp(err) {
		e = refuse(ReasonHungUp, "hung up during the handshake (it may be full, or not hearsay): %w", err)
	} else {
		e = refuse(ReasonHandshake, "%w", err)
	}
	e.Addr = addr
	return e
}

func hungUp(err error) bool {
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE, context.Canceled} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

// spoken names the protocol whose first bytes stood where a TLS record header
// was expected.
func spoken(header [5]byte) string {
	start := string(header[:])
	for _, http := range []string{"HTTP/", "GET ", "HEAD ", "POST ", "PUT ", "DELET", "OPTIO", "PATCH", "CONNE", "TRACE", "PRI *"} {
		if strings.HasPrefix(start, http) {
			return "HTTP"
		}
	}
	switch {
	case strings.HasPrefix(start, "SSH-"):
		return "SSH"
	case strings.HasPrefix(start, "220"):
		return "SMTP or FTP"
	}
	return "something else"
}

// remoteAlert returns the text of the TLS alert that the peer sent. crypto/tls
// exports it only as text.
func remoteAlert(err error) (string, bool) {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "remote error" || op.Err == nil {
		return "", false
	}
	return op.Err.Error(), true
}

// RFC 8446 section 6.2.
var (
	protocolAlerts    = alertTexts(40, 70, 86, 120) // handshake_failure, protocol_version, inappropriate_fallback, no_application_protocol
	certificateAlerts = alertTexts(42, 43, 44, 45, 46, 48, 51, 116)
)

func alertTexts(codes ...uint8) map[string]bool {
	texts := make(map[string]bool, len(codes))
	for _, c := range codes {
		texts[tls.AlertError(c).Error()] = true
	}
	return texts
}

// bannedAlert is what an address that is banned gets instead of a handshake: in a
// record of type alert (21), fatal (2) access_denied (49).
var bannedAlert = []byte{21, 3, 3, 0, 2, 2, byte(accessDenied)}

// accessDenied is sent in no other case.
const accessDenied = tls.AlertError(49)

func explainAlert(text string) *HandshakeError {
	switch {
	case text == accessDenied.Error():
		return refuse(ReasonByPeer, "refuses links from this node's address for a while, after faults of nodes there (%s)", text)
	case protocolAlerts[text]:
		return refuse(ReasonProtocol, "speaks TLS, not hearsay (%s)", text)
	case certificateAlerts[text]:
		return refuse(ReasonByPeer, "refused this node's certificate (%s)", text)
	}
	return refuse(ReasonHungUp, "gave up the handshake (%s)", text)
}

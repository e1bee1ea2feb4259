// Package link makes authenticated links: it dials and accepts net.Conns whose
// other end has proved its node id. It knows neither updates nor topics, and a
// linked peer is trusted for nothing: that a link is authenticated says who is
// there, not what to believe.
//
// # Security
//
// A link is TLS 1.3 (RFC 8446) and nothing older, with ALPN "hearsay/1", without
// tickets, resumption or early data, and both sides present a certificate. The
// certificate is throw-away: its ed25519 key is made in memory, never stored, and
// vouched for by the node's key, so that every node key works (an agent's too)
// and signs nothing but SSHSIG messages. Of the certificate only its key and one
// extension count, the proof:
//
//	struct {
//	    opaque node_key<1..536>;    // 2-byte length; SSH wire form, as package keys admits it
//	    uint64 not_after;           // ns since the Unix epoch, below 2^63
//	    opaque signature<1..532>;   // 2-byte length; SSHSIG of node_key, namespace "hearsay-link"
//	} Proof;
//
//	struct {                        // what the signature covers
//	    opaque magic[8] = "hearsay\x01";
//	    uint64 not_after;
//	    opaque certificate_key[32]; // the certificate's ed25519 key
//	} Message;
//
// As RFC 6962 section 3.3 does it, the extension's value is a DER OCTET STRING
// that holds these bytes. The extension is found by [OID], which stands for the
// UUID c4340778-6725-4045-b5f3-b5df746c4683, cut into arcs under
// 1.2.840.113556.1.8000.2554. (The UUID arc 2.25 would need one arc of 128 bits,
// which crypto/x509 does not read.)
//
// A peer is refused unless it shows exactly one certificate, ed25519, signed by
// its own key, with exactly one proof and no critical extension that we do not
// know; the proof parses strictly, its signature is the node key's, and its
// not_after has not passed and is at most [MaxLifetime] ahead, give or take
// [ClockTolerance]. Its node id must be the one that was asked for, if any, and
// never our own. The certificate's names, dates and serial number mean nothing.
//
// A running node makes a new certificate, with a new key, when less than half of
// the old one's time is left.
//
// In TLS 1.3 the dialing side is done first: Dial returns before the other side
// has judged our certificate. When it refuses us, the first Read says so, with
// [ReasonByPeer].
//
// # Limits
//
// Accepted links are counted by address prefix (ids are free, addresses less
// so): /32 of IPv4, /64 of IPv6; this machine's own addresses count as one, which is
// bounded only by the totals. Handshakes begin at a bounded pace, and prefixes take
// turns. When a total is full its largest user loses first: the prefix with most
// handshakes its oldest, the prefix with most links its newest.
//
// A handler that finds a peer at fault says so with [Conn.Blame]. A prefix whose links
// had more than four faults within minutes is refused, with the alert access_denied
// instead of a handshake, for a minute, then two, and at most for 15; its links stay.
// That includes loopback, by address.
package link

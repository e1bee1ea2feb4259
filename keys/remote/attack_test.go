package remote_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/keys/internal/keytest"
	"github.com/hearsaynet/hearsay/keys/remote"
	"github.com/hearsaynet/hearsay/keys/roster"
)

func TestAttack(t *testing.T) {
	k, other := keytest.Key(t, 1), keytest.Key(t, 2)
	t.Run("rollback", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bench) {
			old := sealed(t, adminKey, listOf(4, k, other))
			b.offer(sealed(t, adminKey, listOf(5, k)), k, other)
			s := b.open()
			keytest.WantAdmitted(t, s, k)
			b.offer(old, k, other)
			look()
			keytest.WantUnknown(t, s, other)
			wantProblem(t, s, remote.ErrRollback)
			s.Close()
			s = b.open() // it holds over a restart
			defer s.Close()
			look()
			keytest.WantUnknown(t, s, other)
			keytest.WantAdmitted(t, s, k)
			wantProblem(t, s, remote.ErrRollback)
			if n := strings.Count(b.log.String(), "rollback"); n != 2 {
				t.Errorf("a rollback is logged %d times, want once a run:\n%s", n, b.log)
			}
			b.offer(sealed(t, adminKey, listOf(6, other)), k, other)
			look()
			keytest.WantAdmitted(t, s, other)
		})
	})
	t.Run("two lists of one version", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bench) {
			b.offer(sealed(t, adminKey, listOf(5, k)), k, other)
			s := b.open()
			defer s.Close()
			keytest.WantAdmitted(t, s, k)
			b.offer(sealed(t, adminKey, listOf(5, k, other)), k, other)
			look()
			keytest.WantUnknown(t, s, other)
			wantProblem(t, s, remote.ErrRollback)
		})
	})
	t.Run("words of its own", func(t *testing.T) {
		for want, answer := range map[string]http.HandlerFunc{
			`answers "500 Internal Server Error"`: func(w http.ResponseWriter, _ *http.Request) {
				c, _, err := w.(http.Hijacker).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				io.WriteString(c, "HTTP/1.1 500 all is well"+strings.Repeat("!", 9000)+"\r\nContent-Length: 0\r\n\r\n")
			},
			`answers "304 Not Modified"`: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) }, // of nothing
		} {
			inBubble(t, func(t *testing.T, b *bench) {
				b.set(answer)
				s := b.open()
				defer s.Close()
				keytest.WantUnavailable(t, s, k)
				if got := fmt.Sprint(s.Problems()); !strings.Contains(got, want) || len(got) > 200 {
					t.Errorf("Problems() = %.200s; want %s", got, want)
				}
			})
		}
	})
	t.Run("an ETag that outlives the attack", func(t *testing.T) {
		first, second := sealed(t, adminKey, listOf(1, k)), sealed(t, adminKey, listOf(2, k, other))
		sum := sha256.Sum256(second)
		for _, etag := range []string{"*", `"` + hex.EncodeToString(sum[:16]) + `"`} {
			inBubble(t, func(t *testing.T, b *bench) {
				b.offer(first, k)
				honest := b.handle
				b.set(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/v1/list" {
						w.Header().Set("ETag", etag)
						w.Write(first)
						return
					}
					honest(w, r)
				})
				s := b.open()
				defer s.Close()
				keytest.WantAdmitted(t, s, k)
				b.offer(second, k, other)
				look()
				keytest.WantAdmitted(t, s, other)
			})
		}
	})
	t.Run("one list, armored otherwise each time", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bench) {
			signed := sealed(t, adminKey, listOf(1, k))
			b.offer(signed, k)
			s := b.open()
			defer s.Close()
			keytest.WantAdmitted(t, s, k)
			changed := s.Changed()
			b.set(func(w http.ResponseWriter, r *http.Request) {
				signed = append(signed, '\n')
				w.Write(signed)
			})
			look()
			if keytest.Closed(changed) {
				t.Error("it counts as a change")
			}
			time.Sleep(time.Hour)
			look()
			if n := strings.Count(b.log.String(), "list has expired"); n != 1 {
				t.Errorf("that it has expired is said %d times, want once\n%s", n, b.log)
			}
		})
	})
	t.Run("freeze", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bench) {
			b.offer(sealed(t, adminKey, listOf(5, k)), k)
			s := b.open()
			defer s.Close()
			keytest.WantAdmitted(t, s, k)
			time.Sleep(time.Hour)
			keytest.WantUnavailable(t, s, k, "administrator", "withholds")
			keytest.WantUnavailable(t, s, other)
			wantProblem(t, s, remote.ErrFreeze)
		})
	})
	t.Run("a newer list that has expired", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bench) {
			l := listOf(6)
			l.Issued, l.Expires = l.Issued.Add(-time.Hour), l.Issued.Add(-time.Minute)
			b.offer(sealed(t, adminKey, listOf(5, k)), k)
			s := b.open()
			defer s.Close()
			keytest.WantAdmitted(t, s, k)
			b.offer(sealed(t, adminKey, l), k)
			look()
			keytest.WantUnavailable(t, s, k, "list 6 expired")
		})
	})
	t.Run("another signer", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bench) {
			b.offer(sealed(t, thiefKey, listOf(9, other)), other)
			s := b.open()
			defer s.Close()
			keytest.WantUnavailable(t, s, other)
			wantProblem(t, s, roster.ErrSigner)
			b.offer(sealed(t, adminKey, listOf(1, k)), k)
			look()
			keytest.WantAdmitted(t, s, k)
		})
	})
	t.Run("wrong-key", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bench) {
			signed := sealed(t, adminKey, listOf(1, k))
			b.offer(signed)
			inner := b.handle
			b.set(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == "POST" {
					io.WriteString(w, other.String()+"\n")
					return
				}
				inner(w, r)
			})
			s := b.open()
			defer s.Close()
			keytest.WantUnavailable(t, s, k, other.ID().String(), "not asked for")
			keytest.WantUnknown(t, s, other)
			if p := s.Problems(); len(p) != 1 || !strings.Contains(p[0].Error(), k.ID().String()) {
				t.Errorf("problems: %v; want one that names the id", p)
			}
			b.offer(signed, k)
			keytest.WantAdmitted(t, s, k)
			if p := s.Problems(); len(p) != 0 {
				t.Errorf("problems: %v", p)
			}
		})
	})
	t.Run("garbage", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bench) {
			b.set(func(w http.ResponseWriter, _ *http.Request) {
				io.WriteString(w, "<html>sign in to the hotel's network")
			})
			s := b.open()
			defer s.Close()
			keytest.WantUnavailable(t, s, k)
			b.offer(sealed(t, adminKey, listOf(1, k)))
			look()
			keytest.WantUnavailable(t, s, k, "has not got it")
		})
	})
	t.Run("10 MiB", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bench) {
			s := b.open()
			defer s.Close()
			for declared, says := range map[bool]string{true: "has 10485760 bytes", false: "more than 6291456 bytes"} {
				b.set(func(w http.ResponseWriter, _ *http.Request) {
					if declared {
						w.Header().Set("Content-Length", fmt.Sprint(10<<20))
					}
					w.Write(make([]byte, 10<<20))
				})
				look()
				keytest.WantUnavailable(t, s, k, says)
			}
		})
	})
	t.Run("a body that never ends", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bench) {
			b.set(func(w http.ResponseWriter, r *http.Request) {
				for r.Context().Err() == nil { // 10 bytes a second
					io.WriteString(w, "0123456789")
					w.(http.Flusher).Flush()
					select {
					case <-time.After(time.Second):
					case <-r.Context().Done():
					}
				}
			})
			s := b.open()
			defer s.Close()
			start := time.Now()
			keytest.WantUnavailable(t, s, k, "no list yet")
			if d := time.Since(start); d > 10*time.Second {
				t.Errorf("it took %v", d)
			}
		})
	})
	t.Run("no answer", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bench) {
			signed := sealed(t, adminKey, listOf(1, k, other))
			b.offer(signed, k, other)
			s := b.open()
			defer s.Close()
			keytest.WantAdmitted(t, s, k)
			b.set(func(_ http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				<-r.Context().Done()
			})
			start := time.Now()
			keytest.WantUnavailable(t, s, other, "deadline")
			if d := time.Since(start); d != 10*time.Second {
				t.Errorf("it took %v, want the timeout", d)
			}
			start = time.Now()
			keytest.WantAdmitted(t, s, k) // meanwhile, and at once
			if d := time.Since(start); d != 0 {
				t.Errorf("it took %v", d)
			}
		})
	})
	t.Run("redirect", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bench) {
			b.set(func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "http://169.254.169.254/secrets", http.StatusFound)
			})
			s := b.open()
			defer s.Close()
			keytest.WantUnavailable(t, s, k, "redirects")
			if n := b.count("GET /secrets"); n != 0 {
				t.Error("the redirect was followed")
			}
		})
	})
}

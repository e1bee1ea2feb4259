package mallory

import "context"

// DialUpstream makes the connection below a link.
func (r *Relay) DialUpstream(ctx context.Context) error {
	c, err := r.dial.DialContext(ctx, "tcp", r.cfg.Upstream.HostPort)
	if err == nil {
		c.Close()
	}
	return err
}

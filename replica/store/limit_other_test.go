//go:build !unix

package store_test

import "errors"

func appendToLimit(string) error { return errors.New("no limits here") }

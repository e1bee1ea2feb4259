//go:build !unix && !windows

package store

import "os"

func inodeOf(*os.File) (uint64, error) { return 0, nil }

func syncDir(string) error { return nil }

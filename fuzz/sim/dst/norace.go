//go:build !race

package dst

const racing = false

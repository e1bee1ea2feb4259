// Package policy holds the tests of the rules that span all packages: which may import
// which, what is where, what every package documents.
package policy

package text

import (
	"unicode/utf8"

	"github.com/aymanbagabas/go-udiff"
)

const (
	// diffRounds bounds how often what a diff found too different to look into is looked at
	// again. A round is linear in the text, and gets 100 differences further.
	diffRounds = 64
	// diffKeep is the least number of bytes that are worth being kept between two
	// differences: of a word that is replaced, single letters are not.
	diffKeep = 3
)

// replacement says that bytes of a text go, and others come.
type replacement struct {
	from, to int
	text     string
	final    bool // nothing of it stays
}

// diff returns what makes one text of another, in order: by lines, and in these by
// characters (Myers, "An O(ND) difference algorithm and its variations", 1986).
func diff(old, now string) []replacement {
	var all []replacement
	for _, lines := range refine(replacement{to: len(old), text: now}, old, udiff.Lines) {
		if lines.from == lines.to || lines.text == "" {
			all = append(all, lines)
			continue
		}
		lines.final = false
		all = append(all, tidied(refine(lines, old, udiff.Strings), old)...)
	}
	return all
}

// refine replaces less, as long as compare finds something in what is replaced that stays.
func refine(whole replacement, old string, compare func(before, after string) []udiff.Edit) []replacement {
	list := []replacement{whole}
	for range diffRounds {
		var finer []replacement
		progress := false
		for _, r := range list {
			if r.final || r.from == r.to || r.text == "" {
				finer = append(finer, r)
				continue
			}
			for _, e := range compare(old[r.from:r.to], r.text) {
				f := replacement{r.from + e.Start, r.from + e.End, e.New, false}
				f.final = f.to-f.from == r.to-r.from && len(f.text) == len(r.text)
				progress = progress || !f.final
				finer = append(finer, f)
			}
		}
		list = finer
		if !progress {
			break
		}
	}
	return list
}

// tidied joins replacements that keep next to nothing between them.
func tidied(list []replacement, old string) []replacement {
	var out []replacement
	for _, r := range list {
		if n := len(out); n > 0 && r.from-out[n-1].to < diffKeep {
			last := &out[n-1]
			last.text += old[last.to:r.from] + r.text
			last.to = r.to
			continue
		}
		out = append(out, r)
	}
	return out
}

// counted turns the bytes at which replacements begin and end, which are in order, into
// characters.
func counted(list []replacement, old string) []replacement {
	at, chars := 0, 0
	count := func(to int) int {
		chars += utf8.RuneCountInString(old[at:to])
		at = to
		return chars
	}
	for i := range list {
		list[i].from = count(list[i].from)
		list[i].to = count(list[i].to)
	}
	return list
}

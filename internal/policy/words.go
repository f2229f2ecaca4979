package policy

import (
	"slices"
	"strings"
)

// nearest is the candidate closest to the word, when one is close enough to have been meant; of equals the first.
func nearest(word string, candidates []string) (string, bool) {
	best, least := "", 1<<30
	lower := strings.ToLower(word)
	if len(lower) > 100 {
		return "", false
	}
	for _, c := range candidates {
		d := distance(lower, strings.ToLower(c))
		if len(lower) >= 4 && len(c) >= 4 && (strings.HasPrefix(c, lower) || strings.HasPrefix(lower, c)) {
			d = 1
		}
		if d < least {
			best, least = c, d
		}
	}
	if best == "" || least > max(1, (min(len(word), len(best))+1)/3) {
		return "", false
	}
	return best, true
}

// meant is the hint for a word that is none of those allowed: the nearest, else all of them.
func meant(word string, allowed []string) string {
	if c, ok := nearest(word, allowed); ok {
		return `did you mean "` + c + `"?`
	}
	return oneOf(allowed)
}

// oneOf lists words, but not endlessly.
func oneOf(allowed []string) string {
	const most = 24
	if len(allowed) == 0 {
		return ""
	}
	if len(allowed) > most {
		return "one of " + strings.Join(allowed[:most], ", ") + " …"
	}
	return "one of " + strings.Join(allowed, ", ")
}

// distance is the least number of letters added, taken away, changed or swapped with their neighbour.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	rows := [3][]int{make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(x); i++ {
		before, above, row := rows[0], rows[1], rows[2]
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		rows = [3][]int{above, row, before}
	}
	return rows[1][len(y)]
}

// quote shows a word of a policy file in a message: on one line, and cut when it is very long.
func quote(text string) string {
	const most = 60
	out := []rune(text)
	cut := len(out) > most
	if cut {
		out = out[:most]
	}
	for i, r := range out {
		if r < ' ' || r == '"' || r == 0x7f || r == '\uFFFD' {
			out[i] = '?'
		}
	}
	if cut {
		return `"` + string(out) + `…"`
	}
	return `"` + string(out) + `"`
}

// unique is the list in order, each once.
func unique(list []string) []string {
	out := slices.Clone(list)
	slices.Sort(out)
	return slices.Compact(out)
}

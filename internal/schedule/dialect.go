package schedule

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/cronexpr"
)

// The places of the day fields in an expression.
const (
	monthDayPlace = 2
	weekDayPlace  = 4
)

// translate gives the canonical text of five or six fields, and the six that the library is asked instead of them. They
// differ where the library's reading is not what crons mean; lines deals with the one thing that takes more than a word.
func translate(fields []string) (canonical, asked []string, err *Error) {
	six := len(fields) == 6
	if six && (fields[monthDayPlace] == "?") == (fields[weekDayPlace] == "?") {
		return nil, nil, &Error{Field: "day-of-week", Problem: fmt.Sprintf("day-of-month is %s and day-of-week is %s: in the six-field form exactly one of the two is ?", quote(fields[monthDayPlace]), quote(fields[weekDayPlace]))}
	}
	canonical, asked = make([]string, len(fields)), []string{"*", "*", "*", "*", "*", "*"}
	for i, f := range fieldKinds(six) {
		if six && fields[i] == "?" && (i == monthDayPlace || i == weekDayPlace) {
			canonical[i] = "?" // it says nothing: the other day field rules
			continue
		}
		if canonical[i], asked[i], err = f.translate(fields[i]); err != nil {
			return nil, nil, err
		}
	}
	if err := stepBesideDay(canonical); err != nil {
		return nil, nil, err
	}
	return canonical, asked, nil
}

// stepBesideDay refuses */2 in one day field when the other one is set.
func stepBesideDay(canonical []string) *Error {
	if len(canonical) == 6 {
		return nil
	}
	for _, i := range []int{monthDayPlace, weekDayPlace} {
		other := monthDayPlace + weekDayPlace - i
		if strings.Contains(canonical[i], "*/") && canonical[other] != "*" {
			f := fieldKinds(false)[i]
			return f.fail(fmt.Sprintf("%s beside %s in the other day field: some crons act when either matches, some when both do", quote(canonical[i]), quote(canonical[other])),
				fmt.Sprintf("for either, write %s", strings.ReplaceAll(canonical[i], "*/", fmt.Sprintf("%d-%d/", f.min, f.open))))
		}
	}
	return nil
}

// translate gives a field's canonical text and what the library is asked for it. Each item of a list is asked about alone:
// the library passes over empty places, and over whatever follows a *.
func (f fieldKind) translate(text string) (canonical, asked string, err *Error) {
	items := strings.Split(text, ",")
	theirs := make([]string, len(items))
	all := false
	for i, item := range items {
		if item == "" {
			return "", "", f.fail(quote(text)+" has an empty place in its list", "")
		}
		items[i] = f.tidy(item)
		if err := f.refuse(item, items[i]); err != nil {
			return "", "", err
		}
		theirs[i] = f.spell(items[i])
		if theirs[i] == "" || !f.understood(theirs[i]) {
			return "", "", f.explain(item)
		}
		all = all || items[i] == "*"
	}
	if all {
		return "*", "*", nil
	}
	return strings.Join(items, ","), strings.Join(theirs, ","), nil
}

// tidy writes an item in its one canonical way: capitals, no needless zeros, no steps of one. In capitals, @DAILY is
// nothing to the library either, which would put @daily's fields in its place wherever it stood.
func (f fieldKind) tidy(item string) string {
	item = withoutZeros(strings.ToUpper(item))
	if base, ok := strings.CutSuffix(item, "/1"); ok && (base == "*" || strings.Contains(base, "-") && base[0] != 'L') {
		item = base
	}
	switch {
	case f.place == monthDayPlace && item == "WL":
		return "LW"
	case f.place == monthDayPlace && item == "L-0":
		return "L"
	case f.place == weekDayPlace && f.six && item == "L":
		return "SAT" // AWS and Quartz: L alone is the last day of the week
	}
	return item
}

// withoutZeros takes away leading zeros. The library reads 05 in the day-of-week as Sunday, and no number of more digits
// than its field has.
func withoutZeros(text string) string {
	out := make([]byte, 0, len(text))
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	for i := range len(text) {
		within := len(out) > 0 && digit(out[len(out)-1])
		if text[i] == '0' && !within && i+1 < len(text) && digit(text[i+1]) {
			continue
		}
		out = append(out, text[i])
	}
	return string(out)
}

// spell gives what the library is asked for an item; nothing when the item makes no sense. Only days of the week are put
// otherwise: by their names, since the library counts Sunday as 0 and the six-field form as 1, and ranges as lists, since
// it loses the Sunday that ends one, and does not go round the week.
func (f fieldKind) spell(item string) string {
	if f.place != weekDayPlace {
		return item
	}
	base, tail := item, ""
	if i := strings.IndexAny(item, "#/"); i >= 0 {
		base, tail = item[:i], item[i:]
	} else if strings.HasSuffix(item, "L") {
		base, tail = item[:len(item)-1], "L"
	}
	if base == "*" {
		return item
	}
	name := func(n int) string { return f.names[(n-f.min)%7] }
	low, high, isRange := strings.Cut(base, "-")
	first, err := f.value(low)
	if err != nil {
		return ""
	}
	if !isRange {
		return name(first) + tail
	}
	last, err := f.value(high)
	if err != nil {
		return ""
	}
	step := 1
	if tail != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(tail, "/"))
		if err != nil || n < 1 {
			return ""
		}
		step = n
	}
	if first > last {
		last += 7
	}
	var list []string
	for n := first; n <= last; n += step {
		list = append(list, name(n))
	}
	return strings.Join(list, ",")
}

// understood asks the library about one item.
func (f fieldKind) understood(item string) bool {
	if _, ok := beforeLast(item); ok && f.place == monthDayPlace {
		return true
	}
	fields := []string{"*", "*", "*", "*", "*", "*"}
	fields[f.place] = item
	_, err := cronexpr.Parse(strings.Join(fields, " "))
	return err == nil
}

// refuse is what the library would take, and we do not: what belongs to the other form, what means another thing to other
// crons, and what can only be a slip.
func (f fieldKind) refuse(item, tidy string) *Error {
	special := tidy == "?"
	switch f.place {
	case monthDayPlace:
		special = strings.ContainsAny(tidy, "LW?")
	case weekDayPlace:
		special = special || strings.Contains(tidy, "#") || strings.HasSuffix(tidy, "L")
	default:
		if special {
			return f.explain(item)
		}
	}
	if special && (!f.six || tidy == "?") {
		return f.fail(quote(strings.ToUpper(item))+onlySix(f.six), "")
	}
	if f.wordy(tidy) {
		return f.explain(item)
	}
	base, step, hasStep := strings.Cut(tidy, "/")
	if hasStep {
		if err := f.explainStep(item, step); err != nil {
			return err
		}
	}
	low, high, isRange := strings.Cut(base, "-")
	if !isRange || f.place == weekDayPlace {
		return nil
	}
	first, err := f.value(low)
	last, err2 := f.value(high)
	if err == nil && err2 == nil && first > last {
		return f.fail(quote(item)+" goes backwards", fmt.Sprintf("to go round the end write %s-%d,%d-%s", low, f.open, f.min, high))
	}
	return nil
}

// wordy says whether an item has a name that is not one of the three-letter names: the library takes whole names as well,
// but few crons do.
func (f fieldKind) wordy(tidy string) bool {
	if len(f.names) == 0 {
		return false
	}
	words := strings.FieldsFunc(tidy, func(r rune) bool { return r < 'A' || r > 'Z' })
	return slices.ContainsFunc(words, func(word string) bool {
		if f.place == weekDayPlace && !slices.Contains(f.names, word) {
			word = strings.TrimSuffix(word, "L")
		}
		return word != "" && !slices.Contains(f.names, word)
	})
}

func onlySix(six bool) string {
	if six {
		return " stands alone in its field or not at all"
	}
	return " belongs to the six-field form with the year last"
}

// beforeLast reads L-3, the day three days before the last of the month.
func beforeLast(item string) (int, bool) {
	digits, ok := strings.CutPrefix(item, "L-")
	if !ok || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(digits)
	return n, err == nil && n >= 1 && n <= 30
}

// lines gives the expressions that the library is asked. It is one, unless there is an L-3, which the library does not
// know: then it is one for each length of a month, as the 28th in months of 31 days and the 27th in those of 30.
func lines(asked []string) []string {
	items := strings.Split(asked[monthDayPlace], ",")
	if !slices.ContainsFunc(items, func(item string) bool { _, ok := beforeLast(item); return ok }) {
		return []string{strings.Join(asked, " ")}
	}
	var months, years [32][]string // by the length of a month
	for _, first := range monthsOf(asked) {
		length := first.AddDate(0, 1, -1).Day()
		if month := strconv.Itoa(int(first.Month())); !slices.Contains(months[length], month) {
			months[length] = append(months[length], month)
		}
		if year := strconv.Itoa(first.Year()); !slices.Contains(years[length], year) {
			years[length] = append(years[length], year)
		}
	}
	var out []string
	for length := 28; length <= 31; length++ {
		var days []string
		for _, item := range items {
			if n, ok := beforeLast(item); !ok {
				days = append(days, item)
			} else if n < length {
				days = append(days, strconv.Itoa(length-n))
			}
		}
		if len(days) > 0 && len(months[length]) > 0 {
			out = append(out, strings.Join([]string{
				asked[0], asked[1], strings.Join(days, ","), strings.Join(months[length], ","), asked[4], strings.Join(years[length], ","),
			}, " "))
		}
	}
	return out
}

// monthsOf asks the library for the months and years of an expression; each is given as its first day.
func monthsOf(asked []string) []time.Time {
	e, err := cronexpr.Parse(fmt.Sprintf("0 0 1 %s * %s", asked[3], asked[5]))
	if err != nil {
		return nil
	}
	return e.NextN(time.Unix(beforeFirstYear, 0).UTC(), 12*(lastYear-firstYear+1))
}

// whyNever explains an expression that has no day.
func whyNever(canonical, asked []string) string {
	if days := asked[monthDayPlace]; asked[weekDayPlace] == "*" && !strings.ContainsAny(days, "LW") {
		longest := 0
		for _, first := range monthsOf([]string{"", "", "", asked[3], "", "2000"}) {
			longest = max(longest, first.AddDate(0, 1, -1).Day())
		}
		// A January has every day, so that the first of it is the least.
		january, err := cronexpr.Parse("0 0 " + days + " 1 * 2000")
		if err == nil {
			if least := january.Next(time.Unix(beforeFirstYear, 0).UTC()).Day(); least > longest {
				return fmt.Sprintf("month %s has no day %d", canonical[3], least)
			}
		}
	}
	return "no such day comes in those months and years"
}

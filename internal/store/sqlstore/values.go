package sqlstore

import (
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"
)

// micros is the stored form of a time: 0 is no time. Both databases keep it exactly.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// instant reads a column of micros.
type instant struct{ to *time.Time }

func (i instant) Scan(src any) error {
	us, ok := src.(int64)
	if !ok {
		return fmt.Errorf("time column holds %T, want int64", src)
	}
	*i.to = time.Time{}
	if us != 0 {
		*i.to = time.UnixMicro(us).UTC()
	}
	return nil
}

// flag is the stored form of a bool.
func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// text is the stored form of a list or a struct: JSON. An empty list is stored as [] and read as nil.
func text(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	if string(b) == "null" {
		return "[]", nil
	}
	return string(b), nil
}

// fromJSON reads a column that text wrote: the one scanner for all JSON, since a driver may give text or bytes.
type fromJSON struct{ to any }

func (j fromJSON) Scan(src any) error {
	var b []byte
	switch v := src.(type) {
	case string:
		b = []byte(v)
	case []byte:
		b = v
	default:
		return fmt.Errorf("JSON column holds %T, want text", src)
	}
	if string(b) == "[]" {
		return nil
	}
	return json.Unmarshal(b, j.to)
}

// most is how many parameters one statement carries at the most. SQLite looks for each $n among all the others, so that
// the work of a statement grows with the square of this; and PostgreSQL gains little beyond it.
const most = 180

// rows is how many rows of so many columns go into one statement.
func rows(columns int) int { return most / columns }

// args collects the parameters of one statement and gives each its $n.
type args []any

// add adds one and gives its placeholder.
func (a *args) add(v any) string {
	*a = append(*a, v)
	return "$" + strconv.Itoa(len(*a))
}

// list adds all and gives ($1, $2, …).
func list[T any](a *args, values []T) string {
	var b strings.Builder
	b.WriteByte('(')
	for i, v := range values {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(a.add(v))
	}
	b.WriteByte(')')
	return b.String()
}

// tuples adds every row and gives ($1, $2), ($3, $4), ….
func (a *args) tuples(rows iter.Seq[[]any]) string {
	var b strings.Builder
	for row := range rows {
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(list(a, row))
	}
	return b.String()
}

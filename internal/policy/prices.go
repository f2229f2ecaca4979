package policy

import (
	_ "embed"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// Price is what backups cost at a cloud: up to so much for each GiB in a month.
type Price struct {
	Cloud    string   `json:"cloud"`
	Region   string   `json:"region,omitempty"` // empty: every region without a price of its own
	Kind     string   `json:"kind,omitempty"`   // snapshot or image; empty: both
	PerGiB   float64  `json:"per-gib-month"`
	Currency string   `json:"currency"`
	Source   string   `json:"source,omitempty"`
	AsOf     string   `json:"as-of,omitempty"`
	Pos      Position `json:"-"`
}

//go:embed prices.yaml
var priceTable []byte

// PriceTable is the table of prices that is used when there is none of the user's own, as a file to edit.
func PriceTable() File { return File{Name: "prices.yaml", Data: slices.Clone(priceTable)} }

type shapePrices struct {
	Prices []shapePrice `json:"prices"`
}

type shapePrice struct {
	Cloud    string  `json:"cloud"`
	Region   string  `json:"region"`
	Kind     string  `json:"kind"`
	PerGiB   float64 `json:"per-gib-month"`
	Currency string  `json:"currency"`
	Source   string  `json:"source"`
	AsOf     string  `json:"as-of"`
}

// ParsePrices reads a table of prices, as strictly as policies are read. When any complaint is more than a warning the
// prices must not be used.
func ParsePrices(f File) ([]Price, []Complaint) {
	r := &reader{}
	var out []Price
	said := false
	for _, root := range r.file(f) {
		top := spot{r: r, n: root}
		if !top.is(kindMap) {
			top.complain("a table of prices wants prices: with a list, not "+root.kind.String(), priceExample)
			continue
		}
		words, ok := top.fields(shapePrices{}, priceExample)
		if s, there := words["prices"]; ok && there && s.wanted(kindList, priceExample) {
			said = said || len(s.n.items) > 0
			for i, n := range s.n.items {
				if p, ok := r.price(spot{r: r, n: n, path: "prices[" + strconv.Itoa(i) + "]"}, out); ok {
					out = append(out, p)
				}
			}
		}
	}
	if !said && r.refused() == 0 {
		r.complain(newSource(f).at(1, 1), "", "the table has no price", priceExample)
	}
	return out, sorted(r.complaints)
}

const priceExample = "as prices: [ { cloud: aws, region: us-east-1, per-gib-month: 0.05, currency: USD } ]"

func (r *reader) price(s spot, before []Price) (Price, bool) {
	wrong := r.refused()
	f, ok := s.fields(shapePrice{}, "as { cloud: aws, per-gib-month: 0.05, currency: USD }")
	if !ok {
		return Price{}, false
	}
	p := Price{Pos: s.n.pos}
	text := func(word, example string) (spot, string, bool) {
		v, there := f[word]
		if !there {
			return v, "", false
		}
		t, ok := v.text(example)
		return v, t, ok
	}
	for _, word := range []string{"cloud", "per-gib-month", "currency"} {
		if _, there := f[word]; !there {
			s.complain("the price says no "+word, "")
		}
	}
	clouds := DefaultClouds()
	if v, t, ok := text("cloud", "as aws"); ok {
		if p.Cloud = t; !contains(clouds, t) {
			v.complain("there is no cloud "+quote(t), meant(t, clouds))
		}
	}
	_, p.Region, _ = text("region", "as us-east-1")
	_, p.Source, _ = text("source", "a page's address")
	if v, t, ok := text("kind", "snapshot or image"); ok {
		kinds := []string{cloud.KindSnapshot.String(), cloud.KindImage.String()}
		if p.Kind = t; !contains(kinds, t) {
			v.complain(quote(t)+" is no kind of backup", meant(t, kinds))
		}
	}
	if v, t, ok := text("currency", "as USD"); ok {
		if p.Currency = t; !regexp.MustCompile(`^[A-Z]{3}$`).MatchString(t) {
			v.complain(quote(t)+" is no currency", "three capital letters, as USD")
		}
	}
	if v, t, ok := text("as-of", `as "2026-01-31"`); ok {
		if _, err := time.Parse(time.DateOnly, t); err != nil {
			v.complain(quote(t)+" is no day", `as "2026-01-31"`)
		}
		p.AsOf = t
	}
	if v, there := f["per-gib-month"]; there {
		p.PerGiB = v.amount()
	}
	if i := slices.IndexFunc(before, func(o Price) bool { return o.Cloud == p.Cloud && o.Region == p.Region && o.Kind == p.Kind }); i >= 0 {
		s.complain("the same is priced twice", "first in line "+strconv.Itoa(before[i].Pos.Line))
	}
	return p, r.refused() == wrong
}

// amount reads what a GiB costs.
func (s spot) amount() float64 {
	const example, most = "a number, as 0.05", 1_000_000
	if !s.wanted(kindText, example) {
		return 0
	}
	v, err := strconv.ParseFloat(s.n.text, 64)
	switch {
	case err != nil || !s.n.plain() || looksOther(s.n.text) != "a number":
		s.complain(s.what()+"wants an amount of money, not "+quote(s.n.text), example)
	case !(v >= 0 && v <= most):
		s.complain(s.n.text+" is not within 0-"+strconv.Itoa(most), example)
	default:
		return v
	}
	return 0
}

// FindPrice gives the price that says most about the place: that of the region before that of the cloud, and that of the
// kind before that of both kinds.
func FindPrice(prices []Price, cloud, region, kind string) (Price, bool) {
	var best Price
	rank := -1
	for _, p := range prices {
		if p.Cloud != cloud || p.Region != "" && p.Region != region || p.Kind != "" && p.Kind != kind {
			continue
		}
		n := 0
		if p.Region != "" {
			n += 2
		}
		if p.Kind != "" {
			n++
		}
		if n > rank {
			best, rank = p, n
		}
	}
	return best, rank >= 0
}

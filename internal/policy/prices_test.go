package policy

import (
	"strings"
	"testing"
)

func TestPriceTableIsRight(t *testing.T) {
	prices, complaints := ParsePrices(PriceTable())
	if len(complaints) > 0 || len(prices) < 3 {
		t.Fatalf("ParsePrices(PriceTable()): got %d prices and %v, want some and no complaint", len(prices), complaints)
	}
	for _, p := range prices {
		if p.Source == "" || p.AsOf == "" {
			t.Errorf("%+v: want its source and its day", p)
		}
	}
}

func TestFindPrice(t *testing.T) {
	prices, complaints := ParsePrices(File{Name: "p.yaml", Data: []byte(`
prices:
  - { cloud: aws, per-gib-month: 0.09, currency: USD }
  - { cloud: aws, kind: image, per-gib-month: 0.08, currency: USD }
  - { cloud: aws, region: us-east-1, per-gib-month: 0.05, currency: USD }
  - { cloud: openstack, region: one, kind: image, per-gib-month: 1, currency: EUR }
`)})
	if len(complaints) > 0 {
		t.Fatal(complaints)
	}
	for _, c := range []struct {
		cloud, region, kind string
		want                float64
	}{
		{"aws", "us-east-1", "snapshot", 0.05},
		{"aws", "us-east-1", "image", 0.05},
		{"aws", "eu-west-1", "image", 0.08},
		{"aws", "eu-west-1", "snapshot", 0.09},
		{"openstack", "one", "image", 1},
		{"openstack", "one", "snapshot", -1},
		{"alibaba", "one", "image", -1},
	} {
		got, ok := FindPrice(prices, c.cloud, c.region, c.kind)
		if !ok {
			got.PerGiB = -1
		}
		if got.PerGiB != c.want {
			t.Errorf("FindPrice(%s, %s, %s): got %v, want %v", c.cloud, c.region, c.kind, got.PerGiB, c.want)
		}
	}
}

func TestPriceComplaints(t *testing.T) {
	for text, want := range map[string]string{
		"":                "1:1: the table has no price",
		"[]":              "1:1: a table of prices wants prices: with a list, not a list",
		"price: []":       `1:1: unknown word "price" (did you mean "prices"?)`,
		"prices: []":      "1:1: the table has no price",
		"prices: [ aws ]": "1:11: an item of the list wants a mapping, not a single value",
		"prices:\n  - { cloud: asw, per-gib-month: 0.05, currency: USD }":                                                            `2:14: there is no cloud "asw" (did you mean "aws"?)`,
		"prices:\n  - { cloud: aws, per-gib-month: cheap, currency: USD }":                                                           `2:34: "per-gib-month" wants an amount of money, not "cheap"`,
		"prices:\n  - { cloud: aws, per-gib-month: -1, currency: USD }":                                                              "2:34: -1 is not within 0-1000000",
		"prices:\n  - { cloud: aws, per-gib-month: 1, currency: dollars }":                                                           `2:47: "dollars" is no currency`,
		"prices:\n  - { cloud: aws, per-gib-month: 1, currency: USD, kind: disk }":                                                   `2:58: "disk" is no kind of backup (one of snapshot, image)`,
		"prices:\n  - { cloud: aws, per-gib-month: 1, currency: USD, as-of: 2026-01-31 }":                                            `2:59: "2026-01-31" without quotes is a date to YAML`,
		"prices:\n  - { cloud: aws, per-gib-month: 1, currency: USD, as-of: lately }":                                                `2:59: "lately" is no day`,
		"prices:\n  - { cloud: aws, currency: USD }":                                                                                 "2:5: the price says no per-gib-month",
		"prices:\n  - { cloud: aws, per-gib-month: 1, currency: USD }\n  - { cloud: aws, per-gib-month: 2, currency: USD }":          "3:5: the same is priced twice (first in line 2)",
		"prices:\n  - { cloud: aws, per-gib-month: 1, currency: USD, regoin: x }":                                                    `2:52: unknown word "regoin" (did you mean "region"?)`,
		"prices:\n  - { cloud: aws, per-gib-month: 1, currency: USD }\nprices:\n  - { cloud: aws, per-gib-month: 2, currency: USD }": `3:1: "prices" stands here twice`,
	} {
		_, complaints := ParsePrices(File{Name: "p.yaml", Data: []byte(text)})
		var got []string
		for _, c := range complaints {
			got = append(got, c.String())
		}
		if !strings.Contains(strings.Join(got, "\n"), "p.yaml:"+want) {
			t.Errorf("ParsePrices(%q): got %q, want %q", text, got, want)
		}
	}
}

package cli

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stint-cloud/stint/internal/store/pgtest"
)

// TestTwoServesOnPostgres: on PostgreSQL any number may serve at once, and each slot's backup is made once.
func TestTwoServesOnPostgres(t *testing.T) {
	database := pgtest.Start(t).Database(t)
	h := newHouse(t, housePolicy)
	const machines = 20
	for i := range machines {
		h.web.add(fmt.Sprintf("web-%d", i), map[string]string{"backup": "daily"}, 1)
	}
	_, one := h.start("serve", "--listen", "", "--database", database)
	_, two := h.start("serve", "--listen", "", "--database", database)
	until(t, "both serve", one, func() bool {
		return strings.Contains(one.String(), "msg=serving") && strings.Contains(two.String(), "msg=serving")
	})
	out := &lines{}
	t.Cleanup(func() {
		if t.Failed() {
			o := &lines{}
			_ = h.command(o, "status", "-o", "json", "--database", database).Run()
			t.Log(o.String()[strings.Index(o.String(), `"policies"`):])
			t.Log(two)
		}
	})
	until(t, "every machine is protected", one, func() bool {
		out = &lines{}
		return h.command(out, "status", "--database", database).Run() == nil && strings.Contains(out.String(), fmt.Sprintf("%d protected", machines))
	})
	if n := len(h.web.ours()); n != machines {
		t.Errorf("two serves made %d snapshots of %d machines, want one each\n%s\n%s", n, machines, one, two)
	}
	// An apply beside them finds nothing to do, and an errand is carried out.
	out = &lines{}
	if err := h.command(out, "apply", "--yes", "--database", database).Run(); err != nil || !strings.Contains(out.String(), "Nothing to do") {
		t.Errorf("apply beside two serves: %v\n%swant nothing to do", err, out)
	}
	out = &lines{}
	if err := h.command(out, "backups", "list", "--database", database).Run(); err != nil {
		t.Fatalf("backups list: %v\n%s", err, out)
	}
	id := strings.Fields(out.String())[6]
	out = &lines{}
	if err := h.command(out, "backups", "hold", id, "--reason", "audit", "--database", database).Run(); err != nil || !strings.Contains(out.String(), "is held") {
		t.Errorf("backups hold beside two serves: %v\n%s", err, out)
	}
}

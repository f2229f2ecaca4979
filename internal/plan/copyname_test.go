package plan

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
)

// TestCopyNames: every cloud takes them, and they differ wherever the copies do.
func TestCopyNames(t *testing.T) {
	every := regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]{2,59}$`)
	seen := map[string]bool{}
	for _, original := range []string{"web", "a-name-of-twenty-eight-chars", "0123456789", "大小", strings.Repeat("x", 200)} {
		for _, disk := range []string{"disk-1", "disk-2"} {
			for try := range 3 {
				p := copyPart{ref: cloud.Ref{ID: "snap-00000001"}, name: original + "-20261121T170000Z-4rmqk72c-d1", disk: disk, many: true}
				name := copyName(p, "4rmqk72c7vz2zlil", try)
				if !every.MatchString(name) || !strings.Contains(name, "4rmqk72c") || !strings.Contains(name, "-copy") {
					t.Errorf("copyName(%s, try %d) = %q, want the backup's mark, -copy, and what every cloud takes", p.name, try, name)
				}
				if key := original + "/" + name; seen[key] {
					t.Errorf("copyName(%s, %s, try %d) = %q, as another copy of it is called", p.name, disk, try, name)
				} else {
					seen[key] = true
				}
			}
		}
	}
	if got, want := copyName(copyPart{name: "web-1-20261121T170000Z-4rmqk72c"}, "4rmqk72c7vz2zlil", 0), "web-1-20261121T170000Z-4rmqk72c-copy"; got != want {
		t.Errorf("copyName of a short one = %q, want %q", got, want)
	}
}

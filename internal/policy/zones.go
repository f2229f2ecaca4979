package policy

import (
	"strings"
	"time"
)

// zoneAnswer is what findZone said.
type zoneAnswer struct {
	zone          *time.Location
	problem, hint string
}

// zone is findZone, asked once for each name: most policies name the same few.
func (r *reader) zone(name string) (zone *time.Location, problem, hint string) {
	a, known := r.zones[name]
	if !known {
		a.zone, a.problem, a.hint = findZone(name)
		r.zones[name] = a
	}
	return a.zone, a.problem, a.hint
}

// findZone gives the time zone of that name, or what is wrong with the name and the nearest right one.
func findZone(name string) (zone *time.Location, problem, hint string) {
	if strings.EqualFold(name, "utc") || name == "Z" {
		return time.UTC, "", ""
	}
	if strings.EqualFold(name, "local") {
		return nil, "the machine's own time zone differs from machine to machine", "name a zone, as Asia/Shanghai or UTC"
	}
	names := allZones()
	zone, err := time.LoadLocation(name)
	if err == nil && (strings.Contains(name, "/") || !strings.ContainsAny(name, "+-0123456789")) {
		// A file system may not tell cases apart; the name must mean the same on every machine.
		for _, known := range names {
			if known != name && strings.EqualFold(known, name) {
				return nil, "there is no time zone " + quote(name), `did you mean "` + known + `"?`
			}
		}
		return zone, "", ""
	}
	return nil, "there is no time zone " + quote(name), zoneHint(name, names)
}

// zoneHint finds the zone that somebody means who names a city that has none of its own, an offset or an abbreviation.
func zoneHint(name string, names []string) string {
	lower := strings.ToLower(name)
	city := lower[strings.LastIndexByte(lower, '/')+1:]
	city = strings.ReplaceAll(strings.TrimSpace(city), " ", "_")
	if zone, ok := otherCities()[city]; ok {
		return `did you mean "` + zone + `"?`
	}
	for _, known := range names {
		k := strings.ToLower(known)
		if k == strings.ReplaceAll(lower, " ", "_") || k[strings.LastIndexByte(k, '/')+1:] == city {
			return `did you mean "` + known + `"?`
		}
	}
	if strings.ContainsAny(name, "+-") && strings.ContainsAny(name, "0123456789") || strings.HasPrefix(lower, "utc") || strings.HasPrefix(lower, "gmt") {
		return "name a place rather than an offset, as Asia/Shanghai or Europe/Berlin; or UTC"
	}
	if known, ok := nearest(name, names); ok {
		return `did you mean "` + known + `"?`
	}
	return "a name of the IANA list, as Asia/Shanghai or Europe/Berlin; or UTC"
}

func allZones() []string {
	var out []string
	for line := range strings.Lines(zoneNames()) {
		area, cities, _ := strings.Cut(strings.TrimSpace(line), ":")
		for _, city := range strings.Fields(cities) {
			out = append(out, area+"/"+city)
		}
	}
	return out
}

// otherCities are places that people name and the list does not, with the zone whose clocks they share.
func otherCities() map[string]string {
	return map[string]string{
		"beijing": "Asia/Shanghai", "peking": "Asia/Shanghai", "shenzhen": "Asia/Shanghai", "guangzhou": "Asia/Shanghai", "hangzhou": "Asia/Shanghai",
		"qingdao": "Asia/Shanghai", "china": "Asia/Shanghai", "cst": "Asia/Shanghai or America/Chicago", "hongkong": "Asia/Hong_Kong",
		"mumbai": "Asia/Kolkata", "delhi": "Asia/Kolkata", "new_delhi": "Asia/Kolkata", "bangalore": "Asia/Kolkata", "ist": "Asia/Kolkata",
		"osaka": "Asia/Tokyo", "jst": "Asia/Tokyo", "kst": "Asia/Seoul", "sgt": "Asia/Singapore", "hanoi": "Asia/Ho_Chi_Minh", "saigon": "Asia/Ho_Chi_Minh",
		"munich": "Europe/Berlin", "frankfurt": "Europe/Berlin", "hamburg": "Europe/Berlin", "germany": "Europe/Berlin", "cest": "Europe/Berlin",
		"milan": "Europe/Rome", "barcelona": "Europe/Madrid", "geneva": "Europe/Zurich", "bst": "Europe/London",
		"san_francisco": "America/Los_Angeles", "seattle": "America/Los_Angeles", "pst": "America/Los_Angeles", "pdt": "America/Los_Angeles",
		"boston": "America/New_York", "washington": "America/New_York", "miami": "America/New_York", "edt": "America/New_York",
		"dallas": "America/Chicago", "houston": "America/Chicago", "cdt": "America/Chicago", "mdt": "America/Denver",
		"aest": "Australia/Sydney", "aedt": "Australia/Sydney", "canberra": "Australia/Sydney",
	}
}

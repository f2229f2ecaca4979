package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
)

// SaveAccount writes what a plan must know of an account.
func (s *Store) SaveAccount(ctx context.Context, account inventory.Account) error {
	body, err := text(account)
	if err != nil {
		return err
	}
	return s.write(ctx, "save account "+account.Name, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO account (name, body) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET body = excluded.body`, account.Name, body)
		return err
	})
}

// World gives what is known of the scopes. Rows are decoded one by one as they come, so bodies and structs are never
// held together, and texts that repeat are held once: a million snapshots fit well under 1 GB.
func (s *Store) World(ctx context.Context, scopes []cloud.Scope) (inventory.World, error) {
	w := inventory.World{Accounts: map[string]inventory.Account{}, Looks: map[cloud.Scope]inventory.Look{}}
	err := s.read(ctx, "read the world", func(tx *sql.Tx) error {
		want, room, err := s.scopes(ctx, tx, &w, scopes)
		if err != nil {
			return err
		}
		w.Instances = make([]cloud.Instance, 0, room[cloud.KindInstance])
		w.Disks = make([]cloud.Disk, 0, room[cloud.KindDisk])
		w.Snapshots = make([]cloud.Snapshot, 0, room[cloud.KindSnapshot])
		w.Images = make([]cloud.Image, 0, room[cloud.KindImage])
		p := &pool{texts: map[string]string{}, tags: map[string]cloud.Tags{}}
		for _, scope := range want { // in order of scope, then of id: the order of Ref
			switch scope.Kind {
			case cloud.KindInstance:
				w.Instances, err = load(ctx, tx, scope, w.Instances, p.instance)
			case cloud.KindDisk:
				w.Disks, err = load(ctx, tx, scope, w.Disks, p.disk)
			case cloud.KindSnapshot:
				w.Snapshots, err = load(ctx, tx, scope, w.Snapshots, p.snapshot)
			case cloud.KindImage:
				w.Images, err = load(ctx, tx, scope, w.Images, p.image)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return inventory.World{}, err
	}
	w.Sort() // they are in order already, unless a body names another place than its scope
	return w, nil
}

// scopes fills in accounts and looks, and gives the scopes to read, in order, with the room that each kind needs.
func (s *Store) scopes(ctx context.Context, tx *sql.Tx, w *inventory.World, only []cloud.Scope) ([]cloud.Scope, map[cloud.Kind]int, error) {
	wanted := map[cloud.Scope]bool{}
	named := map[string]bool{}
	for _, scope := range only {
		wanted[scope] = true
		named[scope.Account] = true
	}
	surveys, err := collect(ctx, tx, `SELECT `+surveyColumns+` FROM survey`, nil, scanSurvey)
	if err != nil {
		return nil, nil, err
	}
	room := map[cloud.Kind]int{}
	for _, row := range surveys {
		if only != nil && !wanted[row.Scope] {
			continue
		}
		wanted[row.Scope] = true
		w.Looks[row.Scope] = row.Look
		room[row.Scope.Kind] += row.Items + row.Items/64 + 16 // some may have been expected since
	}
	if only == nil { // things may be expected in a scope before its first survey
		more, err := collect(ctx, tx, `SELECT DISTINCT scope FROM resource`, nil, func(row scanner) (cloud.Scope, error) {
			var name string
			if err := row.Scan(&name); err != nil {
				return cloud.Scope{}, err
			}
			return cloud.ParseScope(name)
		})
		if err != nil {
			return nil, nil, err
		}
		for _, scope := range more {
			wanted[scope] = true
		}
	}
	accounts, err := collect(ctx, tx, `SELECT body FROM account`, nil, func(row scanner) (a inventory.Account, err error) {
		return a, row.Scan(fromJSON{&a})
	})
	if err != nil {
		return nil, nil, err
	}
	for _, a := range accounts {
		if only == nil || named[a.Name] {
			w.Accounts[a.Name] = a
		}
	}
	return slices.SortedFunc(maps.Keys(wanted), cloud.Scope.Compare), room, nil
}

// load appends the scope's things, by id.
func load[T any](ctx context.Context, tx *sql.Tx, scope cloud.Scope, out []T, decode func(body []byte) (T, error)) ([]T, error) {
	rows, err := tx.QueryContext(ctx, `SELECT body FROM resource WHERE scope = $1 ORDER BY id`, scope.String())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var body sql.RawBytes // the driver's own memory: valid until the next row, which is all we need
	for rows.Next() {
		if err := rows.Scan(&body); err != nil {
			return nil, err
		}
		v, err := decode(body)
		if err != nil {
			return nil, fmt.Errorf("a stored %s of %s cannot be read: %w", scope.Kind, scope, err)
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// poolSize bounds the pool: beyond so many, texts hardly repeat and are not worth remembering.
const poolSize = 1 << 16

// pool holds one copy of each text that repeats, for the time of one reading.
type pool struct {
	texts map[string]string
	tags  map[string]cloud.Tags // by their JSON
	raw   json.RawMessage       // used again for each row
}

// one makes each text the pool's own copy.
func (p *pool) one(texts ...*string) {
	for _, t := range texts {
		if *t == "" {
			continue
		}
		if known, ok := p.texts[*t]; ok {
			*t = known
			continue
		}
		if len(p.texts) >= poolSize {
			clear(p.texts)
		}
		p.texts[*t] = *t
	}
}

func (p *pool) ref(r *cloud.Ref) { p.one(&r.Account, &r.Region) }

// tagsOf decodes tags, or shares those that were decoded from the same text: the parts of a backup carry the same.
func (p *pool) tagsOf(raw json.RawMessage) (cloud.Tags, error) {
	p.raw = raw[:0]
	if len(raw) == 0 {
		return nil, nil
	}
	if known, ok := p.tags[string(raw)]; ok {
		return known, nil
	}
	var t cloud.Tags
	if err := json.Unmarshal(raw, &t); err != nil {
		return nil, err
	}
	for i := range t {
		p.one(&t[i].Key, &t[i].Value)
	}
	if len(p.tags) >= poolSize/16 {
		clear(p.tags)
	}
	p.tags[string(raw)] = t
	return t, nil
}

func (p *pool) instance(body []byte) (cloud.Instance, error) {
	row := struct {
		cloud.Instance
		Tags json.RawMessage `json:"tags"` // hides the inner one
	}{Tags: p.raw}
	err := json.Unmarshal(body, &row)
	if err != nil {
		return cloud.Instance{}, err
	}
	v := row.Instance
	v.Tags, err = p.tagsOf(row.Tags)
	p.ref(&v.Ref)
	p.one(&v.Zone, &v.Type, &v.Image, &v.Network, &v.User, &v.Project)
	for i := range v.Disks {
		p.one(&v.Disks[i].Device)
	}
	return v, err
}

func (p *pool) disk(body []byte) (cloud.Disk, error) {
	row := struct {
		cloud.Disk
		Tags json.RawMessage `json:"tags"`
	}{Tags: p.raw}
	err := json.Unmarshal(body, &row)
	if err != nil {
		return cloud.Disk{}, err
	}
	v := row.Disk
	v.Tags, err = p.tagsOf(row.Tags)
	p.ref(&v.Ref)
	p.one(&v.Zone, &v.Type, &v.Instance, &v.User, &v.Project)
	return v, err
}

func (p *pool) snapshot(body []byte) (cloud.Snapshot, error) {
	row := struct {
		cloud.Snapshot
		Tags json.RawMessage `json:"tags"`
	}{Tags: p.raw}
	err := json.Unmarshal(body, &row)
	if err != nil {
		return cloud.Snapshot{}, err
	}
	v := row.Snapshot
	v.Tags, err = p.tagsOf(row.Tags)
	p.ref(&v.Ref)
	p.one(&v.Disk, &v.Detail, &v.Managed, &v.User, &v.Project)
	return v, err
}

func (p *pool) image(body []byte) (cloud.Image, error) {
	row := struct {
		cloud.Image
		Tags json.RawMessage `json:"tags"`
	}{Tags: p.raw}
	err := json.Unmarshal(body, &row)
	if err != nil {
		return cloud.Image{}, err
	}
	v := row.Image
	v.Tags, err = p.tagsOf(row.Tags)
	p.ref(&v.Ref)
	p.one(&v.Detail, &v.Managed, &v.User, &v.Project)
	return v, err
}

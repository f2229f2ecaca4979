package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/forecast"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/policy"
)

const (
	stockFormat   = 1
	maxStockBytes = 2 << 30 // some millions of snapshots
)

// stock is what was seen, and when.
type stock struct {
	at    time.Time
	world inventory.World
}

// stockFile is a stock as it is saved: the names of its fields are settled, and documented in the guide.
type stockFile struct {
	Format    int                 `json:"format"`
	TakenAt   time.Time           `json:"taken-at"`
	Accounts  []inventory.Account `json:"accounts"`
	Looks     []lookView          `json:"looks"`
	Instances []cloud.Instance    `json:"instances"`
	Disks     []cloud.Disk        `json:"disks"`
	Snapshots []cloud.Snapshot    `json:"snapshots"`
	Images    []cloud.Image       `json:"images"`
}

type lookView struct {
	Scope cloud.Scope    `json:"scope"`
	Look  inventory.Look `json:"look"`
}

// lookAround surveys what the policies reach, as plan does, and lists disks where sizes are not known otherwise.
func (s *shell) lookAround(ctx context.Context, rules policy.Rules, names []string) (stock, []error, error) {
	m, err := s.openStore(ctx)
	if err != nil {
		return stock{}, nil, err
	}
	defer m.Close()
	show := s.watch()
	w, err := s.session(ctx, m, sessionOptions{rules: rules, observe: show.event})
	if err != nil {
		return stock{}, nil, err
	}
	defer w.close()
	defer show.stop()
	problems, err := w.Prepare(ctx, now())
	if err != nil {
		return stock{}, problems, err
	}
	scopes, err := w.Scopes(ctx, names)
	if err != nil {
		return stock{}, problems, err
	}
	if err := w.Survey(ctx, scopes); err != nil {
		return stock{}, problems, err
	}
	world, err := m.World(ctx, scopes)
	if err != nil {
		return stock{}, problems, err
	}
	for _, scope := range scopes {
		if _, ok := world.Looks[scope]; !ok {
			world.Looks[scope] = inventory.Look{} // never looked at
		}
	}
	in := forecast.Input{Now: now(), Rules: rules, Policies: names, World: &world}
	var places []cloud.Place
	for _, ref := range forecast.Unsized(in) {
		places = append(places, ref.Place())
	}
	slices.SortFunc(places, cloud.Place.Compare)
	for _, p := range slices.Compact(places) {
		if err := w.addDisks(ctx, &world, p); err != nil {
			problems = append(problems, fmt.Errorf("the sizes of disks in %s are not known: %w", p, err))
		}
	}
	world.Sort()
	return stock{now(), world}, problems, ctx.Err()
}

// addDisks lists the disks of a place.
func (w *session) addDisks(ctx context.Context, world *inventory.World, place cloud.Place) error {
	client, err := w.Client(place.Account)
	if err != nil {
		return err
	}
	for d, err := range client.Disks(ctx, cloud.Query{Region: place.Region}) {
		if err != nil {
			return err
		}
		world.Disks = append(world.Disks, d)
	}
	return nil
}

// writeStock saves what was seen. It holds names and tags of everything there, and no credentials.
func writeStock(path string, s stock) error {
	f := stockFile{
		Format: stockFormat, TakenAt: s.at, Accounts: []inventory.Account{}, Looks: []lookView{}, Instances: s.world.Instances, Disks: s.world.Disks,
		Snapshots: s.world.Snapshots, Images: s.world.Images,
	}
	for _, a := range s.world.Accounts {
		f.Accounts = append(f.Accounts, a)
	}
	slices.SortFunc(f.Accounts, func(a, b inventory.Account) int { return strings.Compare(a.Name, b.Name) })
	for scope, look := range s.world.Looks {
		f.Looks = append(f.Looks, lookView{scope, look})
	}
	slices.SortFunc(f.Looks, func(a, b lookView) int { return a.Scope.Compare(b.Scope) })
	b, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return err
	}
	return writeWhole(path, append(b, '\n'), 0o600)
}

// readStock reads what writeStock wrote. What it does not understand it refuses, since a forecast stands on it.
func readStock(path string) (stock, error) {
	bad := func(format string, args ...any) (stock, error) {
		return stock{}, usage("%s: "+format+": make a new one with `stint simulate --save %s`", append(append([]any{path}, args...), path)...)
	}
	file, err := os.Open(path)
	if err != nil {
		return stock{}, &exit{code: exitUsage, err: short(err)}
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, maxStockBytes+1))
	if err != nil {
		return stock{}, short(err)
	}
	if len(b) > maxStockBytes {
		return bad("too large for an inventory, more than %d bytes", maxStockBytes)
	}
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return bad("not an inventory: %v", err)
	}
	if head.Format != stockFormat {
		return bad("an inventory of format %d, and this version reads format %d", head.Format, stockFormat)
	}
	var f stockFile
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return bad("not an inventory: %v", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return bad("something follows the inventory")
	}
	if f.TakenAt.IsZero() {
		return bad("it does not say when it was taken")
	}
	if err := f.check(); err != nil {
		return bad("not an inventory: %v", err)
	}
	out := stock{f.TakenAt.UTC(), inventory.World{
		Accounts: map[string]inventory.Account{}, Looks: map[cloud.Scope]inventory.Look{}, Instances: f.Instances, Disks: f.Disks, Snapshots: f.Snapshots, Images: f.Images,
	}}
	for _, a := range f.Accounts {
		out.world.Accounts[a.Name] = a
	}
	for _, l := range f.Looks {
		out.world.Looks[l.Scope] = l.Look
	}
	out.world.Sort()
	return out, nil
}

// check refuses what no listing gives: a thing that does not say what it is, or in what state.
func (f stockFile) check() error {
	whole := func(kind cloud.Kind, n int, ref cloud.Ref, says bool) error {
		if ref.Kind != kind || ref.ID == "" || !says {
			return fmt.Errorf("the %s number %d (%s) is not whole", kind, n+1, ref.ID)
		}
		return nil
	}
	for n, x := range f.Instances {
		if err := whole(cloud.KindInstance, n, x.Ref, x.Power != 0); err != nil {
			return err
		}
	}
	for n, x := range f.Disks {
		if err := whole(cloud.KindDisk, n, x.Ref, x.State != 0); err != nil {
			return err
		}
	}
	for n, x := range f.Snapshots {
		if err := whole(cloud.KindSnapshot, n, x.Ref, x.State != 0); err != nil {
			return err
		}
	}
	for n, x := range f.Images {
		if err := whole(cloud.KindImage, n, x.Ref, x.State != 0); err != nil {
			return err
		}
	}
	return nil
}

package cli

import (
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/store"
)

// What programs get. The names of these fields are settled: they are added to, never changed.

type runView struct {
	ID        string         `json:"id"`
	Policy    string         `json:"policy,omitempty"`
	Trigger   string         `json:"trigger"`
	By        string         `json:"by"`
	State     store.RunState `json:"state"`
	Cancel    bool           `json:"cancel,omitempty"`
	PlanHash  string         `json:"plan-hash,omitempty"`
	StartedAt time.Time      `json:"started-at"`
	EndedAt   time.Time      `json:"ended-at,omitzero"`
	Actions   map[string]int `json:"actions"` // how many in which state
}

func viewRun(r store.Run) runView {
	v := runView{
		ID: r.ID, Policy: r.Policy, Trigger: r.Trigger, By: r.By, State: r.State, Cancel: r.Cancel, PlanHash: r.PlanHash,
		StartedAt: r.StartedAt, EndedAt: r.EndedAt, Actions: map[string]int{},
	}
	for s, n := range r.Counts {
		v.Actions[string(s)] = n
	}
	return v
}

type actionView struct {
	plan.Action
	Run       string            `json:"run"`
	State     store.ActionState `json:"state"`
	Attempts  int               `json:"attempts"`
	Class     string            `json:"class,omitempty"`
	Code      string            `json:"code,omitempty"`
	Problem   string            `json:"problem,omitempty"`
	Made      []cloud.Ref       `json:"made,omitempty"`
	NextAt    time.Time         `json:"next-at,omitzero"`
	CreatedAt time.Time         `json:"created-at"`
	StartedAt time.Time         `json:"started-at,omitzero"`
	EndedAt   time.Time         `json:"ended-at,omitzero"`
}

func viewAction(r store.ActionRow) actionView {
	return actionView{
		Action: r.Action, Run: r.Run, State: r.State, Attempts: r.Attempts, Class: r.Class, Code: r.Code, Problem: r.Problem, Made: r.Made,
		NextAt: r.NextAt, CreatedAt: r.CreatedAt, StartedAt: r.StartedAt, EndedAt: r.EndedAt,
	}
}

type incidentView struct {
	Key      string    `json:"key"`
	Policy   string    `json:"policy,omitempty"`
	Account  string    `json:"account,omitempty"`
	Title    string    `json:"title"`
	Detail   string    `json:"detail,omitempty"`
	OpenedAt time.Time `json:"opened-at"`
	LastAt   time.Time `json:"last-at"`
	ClosedAt time.Time `json:"closed-at,omitzero"`
	Count    int       `json:"count"`
	ToldAt   time.Time `json:"told-at,omitzero"`
}

func viewIncident(in store.Incident) incidentView {
	return incidentView{
		Key: in.Key, Policy: in.Policy, Account: in.Account, Title: in.Title, Detail: in.Detail, OpenedAt: in.OpenedAt, LastAt: in.LastAt,
		ClosedAt: in.ClosedAt, Count: in.Count, ToldAt: in.ToldAt,
	}
}

type surveyView struct {
	Scope   cloud.Scope    `json:"scope"`
	Look    inventory.Look `json:"look"`
	Items   int            `json:"items"`
	Pending int            `json:"pending,omitempty"`
	NextAt  time.Time      `json:"next-at,omitzero"`
}

func viewSurvey(v store.Survey) surveyView {
	return surveyView{Scope: v.Scope, Look: v.Look, Items: v.Items, Pending: len(v.Watching), NextAt: v.NextAt}
}

type partView struct {
	Ref   cloud.Ref   `json:"ref"`
	Name  string      `json:"name,omitempty"`
	Disk  string      `json:"disk,omitempty"`
	Size  int64       `json:"size,omitempty"`
	State cloud.State `json:"state"`
	Tags  cloud.Tags  `json:"tags,omitempty"`
}

type backupView struct {
	ID       string             `json:"id"`
	Name     string             `json:"name,omitempty"`
	Policy   string             `json:"policy,omitempty"`
	Source   string             `json:"source"`
	Label    string             `json:"source-name,omitempty"`
	Place    cloud.Place        `json:"place"`
	Slot     string             `json:"slot,omitempty"`
	Time     time.Time          `json:"time"`
	Method   string             `json:"method"`
	Standing inventory.Standing `json:"standing"`
	Detail   string             `json:"detail,omitempty"`
	Hold     string             `json:"hold,omitempty"`
	Wanted   int                `json:"wanted"`
	Copied   bool               `json:"copied,omitempty"` // a copy of the backup of that id in another place
	Parts    []partView         `json:"parts"`
	Copies   []backupView       `json:"copies,omitempty"` // of show: the same backup in other places
}

func viewBackup(b inventory.Backup) backupView {
	v := backupView{
		ID: b.ID, Name: b.Name(), Policy: b.Policy, Source: b.Source, Place: b.Place, Slot: b.Slot, Time: b.Time, Method: "snapshots",
		Standing: b.Standing, Detail: b.Detail, Hold: b.Hold, Wanted: b.Wanted, Copied: b.Copied, Parts: []partView{},
	}
	if b.ByImage() {
		v.Method = "image"
	}
	for _, i := range b.Images {
		v.Parts = append(v.Parts, partView{Ref: i.Ref, Name: i.Name, Size: i.Size, State: i.State, Tags: i.Tags})
	}
	for _, list := range [][]*cloud.Snapshot{b.Snapshots, b.Backing} {
		for _, x := range list {
			v.Parts = append(v.Parts, partView{Ref: x.Ref, Name: x.Name, Disk: inventory.DiskOf(x), Size: x.Size, State: x.State, Tags: x.Tags})
		}
	}
	return v
}

// Package schedule answers when: it turns the schedules of policies into slots, the instants at which a policy acts.
//
// It promises that slots are whole seconds in UTC, strictly ascending and never doubled, whatever the clocks of a time
// zone do. A cron expression is read as times on a wall clock, and a slot is the first instant at which that clock shows
// its time or a later one. So a time that a clock change repeats happens once, at its first showing; a time that a clock
// change skips is made up at the first instant after the gap; and two skipped times that land there are one slot.
//
// Cron itself is the work of hashicorp/cronexpr: it parses every expression, and computes every time on the wall clock.
// What is done here is around it: what the library reads otherwise than crons do, or not at all, is rewritten to an
// equivalent that it reads right (dialect.go); a refusal is put into words (complain.go, hint.go); the newest time is
// found by halving, since the library only looks forward (calendar.go); times on the wall become instants (zone.go).
//
// The library knows the years 1970 to 2099. A cron schedule has no slot outside them, and an expression that names a year
// beyond is refused; fixed steps have no such end.
//
// It keeps no clock and refuses to guess: an expression that crons disagree about, or that names a date that never comes,
// is an error that says which field, its text, the range allowed and the nearest right form.
package schedule

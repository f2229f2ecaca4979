// Package retain decides which backups of one source in one place stay, and says why for each of them.
//
// It promises restic's meaning: any rule that keeps a backup keeps it; hourly, daily, weekly, monthly and yearly keep the
// newest backup of each of the last n hours, days … that have any; within counts back from the newest backup, not from
// now, so that when backups stop, expiry stops. Beyond restic it promises that the newest backup stays whatever the rule
// says, that a rule without any number keeps everything, that an older backup that turns up never makes a newer one go,
// and that a larger number never makes more go. (restic also keeps the oldest backup while a rule is not yet filled; that
// would break the last but one of these promises, so it is left out.)
//
// It refuses to judge what it is handed: only complete backups that no one holds may be handed in.
package retain

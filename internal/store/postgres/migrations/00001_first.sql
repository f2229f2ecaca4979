-- Times are microseconds since 1970 in UTC, from Go; 0 is no time. Texts that hold JSON are read and written by Go alone.
-- The other dialect has the same tables and columns under the same version number.

-- +goose Up

-- What is known of one scope: when to look again, how the last look went.
CREATE TABLE survey (
    scope        TEXT COLLATE "C" NOT NULL,
    version      BIGINT NOT NULL,
    next_at      BIGINT NOT NULL,
    sweep_at     BIGINT NOT NULL,
    watching     TEXT NOT NULL,
    seen_at      BIGINT NOT NULL,
    looked_at    BIGINT NOT NULL,
    problem      TEXT NOT NULL,
    class        TEXT NOT NULL,
    items        BIGINT NOT NULL,
    PRIMARY KEY (scope)
);

-- Each thing as it was last seen. hash tells whether body differs without reading it; expected_at is when a create last wrote it.
CREATE TABLE resource (
    scope        TEXT COLLATE "C" NOT NULL,
    id           TEXT COLLATE "C" NOT NULL,
    hash         BIGINT NOT NULL,
    expected_at  BIGINT NOT NULL,
    body         TEXT NOT NULL,
    PRIMARY KEY (scope, id)
);

-- What a plan must know of an account beforehand.
CREATE TABLE account (
    name         TEXT COLLATE "C" NOT NULL,
    body         TEXT NOT NULL,
    PRIMARY KEY (name)
);

-- How far each policy has come.
CREATE TABLE policy_state (
    name         TEXT COLLATE "C" NOT NULL,
    version      BIGINT NOT NULL,
    next_at      BIGINT NOT NULL,
    planned_at   BIGINT NOT NULL,
    hash         TEXT NOT NULL,
    problem      TEXT NOT NULL,
    findings     TEXT NOT NULL,
    PRIMARY KEY (name)
);

-- The carrying out of one plan.
CREATE TABLE run (
    id           TEXT COLLATE "C" NOT NULL,
    version      BIGINT NOT NULL,
    policy       TEXT COLLATE "C" NOT NULL,
    cause        TEXT NOT NULL,
    who          TEXT NOT NULL,
    plan_hash    TEXT NOT NULL,
    state        TEXT NOT NULL,
    cancel       BIGINT NOT NULL,
    started_at   BIGINT NOT NULL,
    ended_at     BIGINT NOT NULL,
    PRIMARY KEY (id)
);

-- The intent log. due_at is when the sweep wakes the action; zero when it has ended.
CREATE TABLE action (
    id           TEXT COLLATE "C" NOT NULL,
    run          TEXT COLLATE "C" NOT NULL,
    version      BIGINT NOT NULL,
    state        TEXT NOT NULL,
    attempts     BIGINT NOT NULL,
    next_at      BIGINT NOT NULL,
    deadline     BIGINT NOT NULL,
    due_at       BIGINT NOT NULL,
    policy       TEXT COLLATE "C" NOT NULL,
    backup       TEXT COLLATE "C" NOT NULL,
    class        TEXT NOT NULL,
    code         TEXT NOT NULL,
    problem      TEXT NOT NULL,
    made         TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    started_at   BIGINT NOT NULL,
    ended_at     BIGINT NOT NULL,
    body         TEXT NOT NULL,
    PRIMARY KEY (id)
);

-- Something that is wrong until it is right again.
CREATE TABLE incident (
    id           TEXT COLLATE "C" NOT NULL,
    version      BIGINT NOT NULL,
    policy       TEXT NOT NULL,
    account      TEXT NOT NULL,
    title        TEXT NOT NULL,
    detail       TEXT NOT NULL,
    opened_at    BIGINT NOT NULL,
    last_at      BIGINT NOT NULL,
    closed_at    BIGINT NOT NULL,
    seen         BIGINT NOT NULL,
    told_at      BIGINT NOT NULL,
    told         BIGINT NOT NULL,
    told_end     BIGINT NOT NULL,
    PRIMARY KEY (id)
);

-- The record: a decision or a mutating call a line.
CREATE TABLE audit (
    seq          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    noted_at     BIGINT NOT NULL,
    who          TEXT NOT NULL,
    what         TEXT NOT NULL,
    ref          TEXT NOT NULL,
    action       TEXT NOT NULL,
    run          TEXT NOT NULL,
    outcome      TEXT NOT NULL,
    code         TEXT NOT NULL,
    request      TEXT NOT NULL,
    detail       TEXT NOT NULL
);

-- Small texts under a key.
CREATE TABLE fact (
    id           TEXT COLLATE "C" NOT NULL,
    value        TEXT NOT NULL,
    PRIMARY KEY (id)
);

-- One shared rate per key (GCRA): tat is the theoretical arrival time, slack the burst as a time, not_before a push-back.
CREATE TABLE pace (
    id           TEXT COLLATE "C" NOT NULL,
    tat          BIGINT NOT NULL,
    not_before   BIGINT NOT NULL,
    slack        BIGINT NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX survey_next ON survey (next_at) WHERE next_at > 0;
CREATE INDEX policy_state_next ON policy_state (next_at) WHERE next_at > 0;
CREATE INDEX action_due ON action (due_at) WHERE due_at > 0;
CREATE INDEX action_run ON action (run, state);
CREATE INDEX action_created ON action (created_at, id);
CREATE INDEX action_policy ON action (policy, created_at);
CREATE INDEX action_open ON action (policy, created_at) WHERE ended_at = 0;
CREATE INDEX action_backup ON action (backup) WHERE backup <> '';
CREATE INDEX run_started ON run (started_at, id);
CREATE INDEX run_active ON run (id) WHERE ended_at = 0;
CREATE INDEX incident_open ON incident (id) WHERE closed_at = 0;
CREATE INDEX audit_noted ON audit (noted_at);

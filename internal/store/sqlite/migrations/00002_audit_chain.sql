-- The record becomes a chain: each entry carries a hash over itself and the hash before. What stood in it until now keeps
-- an empty hash, and the chain begins after it: chained afterwards, it would look as if somebody had watched over it.

-- +goose Up

-- The numbers come from the chain's head from now on, so AUTOINCREMENT goes, which only a new table can do.
CREATE TABLE audit_chained (
    seq          INTEGER PRIMARY KEY,
    noted_at     BIGINT NOT NULL,
    who          TEXT NOT NULL,
    what         TEXT NOT NULL,
    ref          TEXT NOT NULL,
    action       TEXT NOT NULL,
    run          TEXT NOT NULL,
    outcome      TEXT NOT NULL,
    code         TEXT NOT NULL,
    request      TEXT NOT NULL,
    detail       TEXT NOT NULL,
    hash         TEXT NOT NULL
);
INSERT INTO audit_chained SELECT seq, noted_at, who, what, ref, action, run, outcome, code, request, detail, '' FROM audit;
DROP TABLE audit;
ALTER TABLE audit_chained RENAME TO audit;
CREATE INDEX audit_noted ON audit (noted_at);

-- The chain's two ends, in one row that everybody who appends must lock: the anchor is the last entry that was forgotten,
-- seq and hash are of the newest. An empty hash is the beginning.
CREATE TABLE audit_head (
    id           TEXT NOT NULL,
    anchor_seq   BIGINT NOT NULL,
    anchor_hash  TEXT NOT NULL,
    seq          BIGINT NOT NULL,
    hash         TEXT NOT NULL,
    PRIMARY KEY (id)
) WITHOUT ROWID;
INSERT INTO audit_head SELECT 'chain', last, '', last, '' FROM (SELECT COALESCE(MAX(seq), 0) AS last FROM audit) AS earlier;

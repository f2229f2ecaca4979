-- The record becomes a chain: each entry carries a hash over itself and the hash before. What stood in it until now keeps
-- an empty hash, and the chain begins after it: chained afterwards, it would look as if somebody had watched over it.

-- +goose Up

-- The numbers come from the chain's head from now on.
ALTER TABLE audit ALTER COLUMN seq DROP IDENTITY;
ALTER TABLE audit ADD COLUMN hash TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ALTER COLUMN hash DROP DEFAULT;

-- The chain's two ends, in one row that everybody who appends must lock: the anchor is the last entry that was forgotten,
-- seq and hash are of the newest. An empty hash is the beginning.
CREATE TABLE audit_head (
    id           TEXT COLLATE "C" NOT NULL,
    anchor_seq   BIGINT NOT NULL,
    anchor_hash  TEXT NOT NULL,
    seq          BIGINT NOT NULL,
    hash         TEXT NOT NULL,
    PRIMARY KEY (id)
);
INSERT INTO audit_head SELECT 'chain', last, '', last, '' FROM (SELECT COALESCE(MAX(seq), 0) AS last FROM audit) AS earlier;

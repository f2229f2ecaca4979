-- How often an action was planned anew after it had ended without effect: what is refused again and again rests longer.

-- +goose Up

ALTER TABLE action ADD COLUMN armed BIGINT NOT NULL DEFAULT 0;

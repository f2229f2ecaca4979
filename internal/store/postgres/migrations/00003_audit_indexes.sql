-- The record of one action, or of one run, is listed without reading the whole record.

-- +goose Up

CREATE INDEX audit_action ON audit USING hash (action);
CREATE INDEX audit_run ON audit USING hash (run) WHERE run <> '';

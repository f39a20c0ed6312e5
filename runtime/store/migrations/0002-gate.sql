-- What the gate remembers: cohorts that figures were released of, privacy loss, and reviews of outputs that wait.

CREATE TABLE reviews (
    id TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    salt BLOB NOT NULL,
    organisation TEXT GENERATED ALWAYS AS (body ->> '$.organisation') VIRTUAL,
    job TEXT GENERATED ALWAYS AS (body ->> '$.job') VIRTUAL,
    "grant" TEXT GENERATED ALWAYS AS (body ->> '$.grant') VIRTUAL,
    release TEXT GENERATED ALWAYS AS (body ->> '$.release') VIRTUAL,
    state TEXT GENERATED ALWAYS AS (body ->> '$.state') VIRTUAL
);
CREATE INDEX reviews_by_organisation ON reviews (organisation, id);
CREATE UNIQUE INDEX reviews_by_job ON reviews (job);
CREATE INDEX reviews_by_grant ON reviews ("grant", id);
CREATE UNIQUE INDEX reviews_by_release ON reviews (release) WHERE release IS NOT NULL;
CREATE INDEX reviews_by_state ON reviews (state, id);

-- The output under review, sealed by the vault. Its digest stands in the review.
CREATE TABLE review_candidates (id TEXT PRIMARY KEY REFERENCES reviews (id), sealed BLOB NOT NULL);

-- The cohorts of one release: which numbers, and one digest over all of them, compared at every start.
CREATE TABLE cohort_sets (
    id TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    salt BLOB NOT NULL,
    dataset TEXT GENERATED ALWAYS AS (body ->> '$.dataset') VIRTUAL
);
CREATE INDEX cohort_sets_by_dataset ON cohort_sets (dataset, id);

-- A set of persons that figures were released of: its sketch, sealed; and the digest of its persons.
CREATE TABLE cohorts (
    dataset TEXT NOT NULL,
    number INTEGER NOT NULL,
    sketch BLOB NOT NULL,
    persons_sm3 TEXT NOT NULL,
    UNIQUE (dataset, number)
);

-- The persons themselves, sealed; apart, so that reading every sketch passes by none of them.
CREATE TABLE cohort_persons (
    dataset TEXT NOT NULL,
    number INTEGER NOT NULL,
    persons BLOB NOT NULL,
    UNIQUE (dataset, number),
    FOREIGN KEY (dataset, number) REFERENCES cohorts (dataset, number)
);

-- Privacy loss of a dataset: over all, of a grant, of a developer.
CREATE TABLE privacy_accounts (
    id TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    salt BLOB NOT NULL,
    dataset TEXT GENERATED ALWAYS AS (body ->> '$.dataset') VIRTUAL
);
CREATE INDEX privacy_accounts_by_dataset ON privacy_accounts (dataset, id);

-- What stands against a grant, a dataset, a module, an organisation or the zone.
CREATE TABLE suspensions (id TEXT PRIMARY KEY, body TEXT NOT NULL, salt BLOB NOT NULL);

CREATE TRIGGER suspensions_stay BEFORE DELETE ON suspensions
BEGIN SELECT RAISE(ABORT, 'nothing is deleted from suspensions'); END;

CREATE INDEX idempotency_by_time ON idempotency (claimed_at);

-- Jobs may wait for a review.

DROP TRIGGER jobs_have_known_states;
CREATE TRIGGER jobs_have_known_states BEFORE INSERT ON jobs
WHEN NEW.state IS NULL
    OR NEW.state NOT IN ('queued', 'running', 'in-review', 'released', 'withheld', 'refused', 'failed', 'killed')
BEGIN SELECT RAISE(ABORT, 'unknown state of a job'); END;

DROP TRIGGER jobs_keep_known_states;
CREATE TRIGGER jobs_keep_known_states BEFORE UPDATE ON jobs
WHEN NEW.state IS NULL
    OR NEW.state NOT IN ('queued', 'running', 'in-review', 'released', 'withheld', 'refused', 'failed', 'killed')
BEGIN SELECT RAISE(ABORT, 'unknown state of a job'); END;

-- A job whose output has been shown to reviewers is not run again, and leaves them only by their decision or its end.
CREATE TRIGGER jobs_in_review_do_not_run BEFORE UPDATE ON jobs
WHEN OLD.state = 'in-review' AND NEW.state IN ('queued', 'running')
BEGIN SELECT RAISE(ABORT, 'a job in review does not run again'); END;

CREATE TRIGGER leakage_never_unspends BEFORE UPDATE ON accounts
WHEN NEW.body ->> '$.committed.leakage_bits' < OLD.body ->> '$.committed.leakage_bits'
BEGIN SELECT RAISE(ABORT, 'what is committed never falls'); END;

CREATE TRIGGER privacy_accounts_never_unspend BEFORE UPDATE ON privacy_accounts
WHEN NEW.body ->> '$.account.committed.pure' < OLD.body ->> '$.account.committed.pure'
    OR NEW.body ->> '$.account.committed.pure_rho' < OLD.body ->> '$.account.committed.pure_rho'
    OR NEW.body ->> '$.account.committed.rho' < OLD.body ->> '$.account.committed.rho'
    OR NEW.body ->> '$.account.committed.rho' IS NULL
BEGIN SELECT RAISE(ABORT, 'what is committed never falls'); END;

CREATE TRIGGER reviews_have_known_states BEFORE INSERT ON reviews
WHEN NEW.state IS NOT 'submitted'
BEGIN SELECT RAISE(ABORT, 'a review begins as submitted'); END;

CREATE TRIGGER reviews_keep_known_states BEFORE UPDATE ON reviews
WHEN NEW.state IS NULL OR NEW.state NOT IN
    ('submitted', 'in-review', 'returned', 'approved', 'refused', 'released', 'expired', 'withdrawn')
BEGIN SELECT RAISE(ABORT, 'unknown state of a review'); END;

CREATE TRIGGER reviews_end_once BEFORE UPDATE ON reviews
WHEN OLD.state IN ('refused', 'expired', 'withdrawn')
    OR (OLD.state = 'released' AND NEW.state IS NOT 'released')
    OR (NEW.state = 'released' AND OLD.state NOT IN ('approved', 'released'))
BEGIN SELECT RAISE(ABORT, 'a review that has ended never changes, and what leaves was approved'); END;

CREATE TRIGGER review_fetches_never_fall BEFORE UPDATE ON reviews
WHEN NEW.body ->> '$.fetches' < OLD.body ->> '$.fetches'
BEGIN SELECT RAISE(ABORT, 'a fetch is not taken back'); END;

CREATE TRIGGER reviews_stay BEFORE DELETE ON reviews
BEGIN SELECT RAISE(ABORT, 'nothing is deleted from reviews'); END;

CREATE TRIGGER review_candidates_are_final BEFORE UPDATE ON review_candidates
BEGIN SELECT RAISE(ABORT, 'nothing changes in review_candidates'); END;

-- What did not leave is destroyed; what waits or has left stays as evidence.
CREATE TRIGGER review_candidates_stay BEFORE DELETE ON review_candidates
WHEN (SELECT state FROM reviews WHERE id = OLD.id) NOT IN ('refused', 'expired', 'withdrawn')
BEGIN SELECT RAISE(ABORT, 'an output is destroyed only once its review has ended without release'); END;

CREATE TRIGGER cohort_sets_are_final BEFORE UPDATE ON cohort_sets
BEGIN SELECT RAISE(ABORT, 'nothing changes in cohort_sets'); END;

CREATE TRIGGER cohort_sets_stay BEFORE DELETE ON cohort_sets
BEGIN SELECT RAISE(ABORT, 'nothing is deleted from cohort_sets'); END;

CREATE TRIGGER cohorts_are_final BEFORE UPDATE ON cohorts
BEGIN SELECT RAISE(ABORT, 'nothing changes in cohorts'); END;

CREATE TRIGGER cohorts_stay BEFORE DELETE ON cohorts
BEGIN SELECT RAISE(ABORT, 'nothing is deleted from cohorts'); END;

CREATE TRIGGER cohort_persons_are_final BEFORE UPDATE ON cohort_persons
BEGIN SELECT RAISE(ABORT, 'nothing changes in cohort_persons'); END;

CREATE TRIGGER cohort_persons_stay BEFORE DELETE ON cohort_persons
BEGIN SELECT RAISE(ABORT, 'nothing is deleted from cohort_persons'); END;

CREATE TRIGGER privacy_accounts_stay BEFORE DELETE ON privacy_accounts
BEGIN SELECT RAISE(ABORT, 'nothing is deleted from privacy_accounts'); END;

DROP TABLE ledger;
DROP TABLE actions;
DROP TABLE scores;
DROP TABLE users;

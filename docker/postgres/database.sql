-- Runs once, as the superuser, when the volume is new: the service gets a role and a database of its own.
\set password `cat /run/secrets/scoreboard_password`
CREATE ROLE scoreboard LOGIN PASSWORD :'password';
CREATE DATABASE scoreboard OWNER scoreboard;
REVOKE CONNECT ON DATABASE scoreboard FROM PUBLIC;

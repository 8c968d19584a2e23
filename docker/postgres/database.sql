-- Runs once, as the superuser, when the volume is new: the service gets a role and a database of its own.
\set password `cat /run/secrets/scoreboard_password`
CREATE ROLE scoreboard LOGIN PASSWORD :'password';
-- Whatever the cluster's own encoding is: `migrate` wants one that can keep every name.
CREATE DATABASE scoreboard OWNER scoreboard ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0;
REVOKE CONNECT ON DATABASE scoreboard FROM PUBLIC;

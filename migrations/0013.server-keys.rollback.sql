DROP TABLE server_keys;
DELETE FROM held_lists WHERE list = 'server_keys';

DROP TABLE refused_names;
DROP FUNCTION note_changed_list();
DROP TABLE held_lists;
DROP TABLE invitations;

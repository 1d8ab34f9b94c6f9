-- A fragment is no part of what a URL is compared by. Where both forms are registered, both stay.
UPDATE OR IGNORE `endpoints` SET `url_key` = substr(`url_key`, 1, instr(`url_key`, '#') - 1) WHERE instr(`url_key`, '#') > 0;

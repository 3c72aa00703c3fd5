/* Where mail is released to (queue/endpoint): what was understood, written out, is the same. */
#include "queue/endpoint.h"
#include "tests/fuzz/fuzz.h"

static bool same(const char *one, const char *other)
{
	return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0;
}

static void check_sound(const struct endpoint *endpoint)
{
	if (endpoint->path != NULL) {
		FUZZ_CHECK(endpoint->path[0] == '/' && strlen(endpoint->path) < 108);
		FUZZ_CHECK(endpoint->host == NULL && endpoint->port == NULL);
		return;
	}
	FUZZ_CHECK(endpoint->host != NULL && endpoint->host[0] != '\0');
	FUZZ_CHECK(atol(endpoint->port) >= 1 && atol(endpoint->port) <= 65535);
}

static void check_round(const struct endpoint *endpoint)
{
	struct str text = STR_INIT;
	struct endpoint again;
	const char *error;

	str_append_z(&text, endpoint->lmtp ? "lmtp:" : "smtp:");
	if (endpoint->path != NULL)
		str_printf(&text, "unix:%s", endpoint->path);
	else
		str_printf(&text, "[%s]:%s", endpoint->host, endpoint->port);
	FUZZ_CHECK(endpoint_parse(str_cstr(&text), &again, &error) == 0);
	FUZZ_CHECK(again.lmtp == endpoint->lmtp && same(again.path, endpoint->path));
	FUZZ_CHECK(same(again.host, endpoint->host) && same(again.port, endpoint->port));
	endpoint_clear(&again);
	str_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size);
	struct endpoint endpoint;
	const char *error = NULL;

	if (endpoint_parse(text, &endpoint, &error) == 0) {
		check_sound(&endpoint);
		check_round(&endpoint);
	} else {
		FUZZ_CHECK(error != NULL && endpoint.path == NULL && endpoint.host == NULL);
	}
	endpoint_clear(&endpoint);
	free(text);
	return 0;
}

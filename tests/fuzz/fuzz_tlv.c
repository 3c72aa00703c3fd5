/* Elements of BER (lib/tlv): what is handed out lies one behind the other within the bytes, each
 * with a NUL behind it, and nothing else is changed. */
#include "lib/tlv.h"
#include "tests/fuzz/fuzz.h"

static void read_all(struct tlv *in, unsigned char tag, unsigned depth)
{
	char *data, *behind = (char *)in->next, *end = (char *)in->end;
	struct tlv inner;
	size_t len;
	int got;

	while ((got = tlv_next(in, tag, &data, &len)) == 1) {
		FUZZ_CHECK(data > behind && len <= (size_t)(end - data));
		FUZZ_CHECK(data[len] == '\0');
		behind = data + len;
		tlv_begin(&inner, data, len);
		if (depth > 0)
			read_all(&inner, depth % 2 ? TLV_OCTETS : TLV_SET, depth - 1);
	}
	FUZZ_CHECK(got == -1 || behind == end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *bytes = fuzz_string(data, size);
	struct tlv in;

	if (size > 0)
		memcpy(bytes, data, size);
	tlv_begin(&in, bytes, size);
	read_all(&in, TLV_SEQUENCE, 3);
	free(bytes);
	return 0;
}

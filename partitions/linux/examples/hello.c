/*
 * The client of docs/tutorial.md: asks for a SHA-256 and for a keyed hash of its text.
 *
 * hello TEE TEXT    asks the TEE of this name
 * hello - TEXT      names none: each session goes where the table says that its application is
 */
#include <stdio.h>
#include <string.h>
#include <tee_client_api.h>

/* An application of OP-TEE's test suite; command 2: SHA-256 of parameter 0 into parameter 1. */
static const TEEC_UUID crypt = {
	0xcb3e5ba0, 0xadf1, 0x11e0, { 0x99, 0x8b, 0x00, 0x02, 0xa5, 0xd5, 0xc5, 0x1b }
};
/* The Rust TEE's keyed hash; command 0: HMAC-SHA-256 of parameter 0, with the TEE's own key, into parameter 1. */
static const TEEC_UUID keyed_hash = {
	0xb0b3ec40, 0x7d3a, 0x4f0e, { 0x9c, 0x52, 0x1f, 0x0c, 0x8e, 0x6a, 0x7d, 0x02 }
};

/* Asks an application for the hash of a text, and prints the answer. */
static void ask(TEEC_Context *context, const char *what, const TEEC_UUID *application, uint32_t command, char *text)
{
	unsigned char hash[32];
	TEEC_Session session;
	TEEC_Operation operation = {
		.paramTypes = TEEC_PARAM_TYPES(TEEC_MEMREF_TEMP_INPUT, TEEC_MEMREF_TEMP_OUTPUT, TEEC_NONE, TEEC_NONE),
		.params[0].tmpref = { text, strlen(text) },
		.params[1].tmpref = { hash, sizeof(hash) },
	};
	TEEC_Result result = TEEC_OpenSession(context, &session, application, TEEC_LOGIN_PUBLIC, NULL, NULL, NULL);

	if (result == TEEC_SUCCESS) {
		result = TEEC_InvokeCommand(&session, command, &operation, NULL);
		TEEC_CloseSession(&session);
	}
	printf("%s: ", what);
	if (result != TEEC_SUCCESS) {
		printf("refused with 0x%08x\n", result);
		return;
	}
	for (size_t at = 0; at < sizeof(hash); at++)
		printf("%02x", hash[at]);
	printf("\n");
}

int main(int count, char *words[])
{
	TEEC_Context context;
	TEEC_Result result;

	if (count != 3) {
		fprintf(stderr, "usage: hello TEE|- TEXT\n");
		return 2;
	}
	result = TEEC_InitializeContext(strcmp(words[1], "-") == 0 ? NULL : words[1], &context);
	if (result != TEEC_SUCCESS) {
		fprintf(stderr, "there is no TEE %s: 0x%08x\n", words[1], result);
		return 1;
	}
	ask(&context, "SHA-256", &crypt, 2, words[2]);
	ask(&context, "keyed hash", &keyed_hash, 0, words[2]);
	TEEC_FinalizeContext(&context);
	return 0;
}

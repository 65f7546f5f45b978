// A stand-in for the stock library: it says which of its functions were called.
#include <stdint.h>
#include <stdio.h>

struct context { int fd; _Bool reg_mem, memref_null; };
struct session { struct context *context; uint32_t id; };

uint32_t TEEC_InitializeContext(const char *name, struct context *context)
{
    printf("initialize %s\n", name ? name : "NULL");
    context->fd = 1000;
    return 0;
}
void TEEC_FinalizeContext(struct context *context) { printf("finalize %d\n", context->fd); }
uint32_t TEEC_OpenSession(struct context *context, struct session *session, const void *destination, uint32_t method,
                          const void *data, void *operation, uint32_t *origin)
{
    session->context = context;
    session->id = 7;
    puts("open");
    return 0;
}
uint32_t TEEC_InvokeCommand(struct session *session, uint32_t command, void *operation, uint32_t *origin)
{
    printf("invoke %u\n", command);
    return 0;
}
void TEEC_CloseSession(struct session *session) { printf("close %u\n", session->id); }
void TEEC_RequestCancellation(void *operation) { puts("cancel"); }
uint32_t TEEC_RegisterSharedMemory(struct context *context, void *memory) { puts("register"); return 0; }
uint32_t TEEC_AllocateSharedMemory(struct context *context, void *memory) { puts("allocate"); return 0; }
void TEEC_ReleaseSharedMemory(void *memory) { puts("release"); }

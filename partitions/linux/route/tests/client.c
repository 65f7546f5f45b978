// A client of the API, as a program of its own or as a module that another one loads.
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>

struct context { int fd; _Bool reg_mem, memref_null; };
struct session { struct context *context; uint32_t id; };

#ifdef LOADER
int main(int count, char **arguments)
{
    void *module = dlopen(arguments[1], RTLD_LAZY | RTLD_LOCAL);
    if (!module) {
        fputs(dlerror(), stderr);
        return 1;
    }
    return ((int (*)(void))dlsym(module, "run"))();
}
#else
uint32_t TEEC_InitializeContext(const char *, struct context *);
void TEEC_FinalizeContext(struct context *);
uint32_t TEEC_OpenSession(struct context *, struct session *, const void *, uint32_t, const void *, void *, uint32_t *);
uint32_t TEEC_InvokeCommand(struct session *, uint32_t, void *, uint32_t *);
void TEEC_CloseSession(struct session *);
void TEEC_RequestCancellation(void *);

int run(void)
{
    struct context context;
    struct session session;
    char application[16] = {0};
    if (TEEC_InitializeContext("a name", &context))
        return 2;
    if (TEEC_OpenSession(&context, &session, application, 0, NULL, NULL, NULL))
        return 3;
    TEEC_InvokeCommand(&session, 3, NULL, NULL);
    TEEC_RequestCancellation(NULL);
    TEEC_CloseSession(&session);
    TEEC_FinalizeContext(&context);
    return 0;
}
#ifndef MODULE
int main(void) { return run(); }
#endif
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* see core.h */
#include "core.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "prov.h"

void isprov_core_init(struct isprov_core *core, const OSSL_CORE_HANDLE *handle,
                      const OSSL_DISPATCH *in)
{
    core->handle = handle;
    for (; in->function_id != 0; in++) {
        switch (in->function_id) {
        case OSSL_FUNC_CORE_GET_PARAMS:
            core->get_params = OSSL_FUNC_core_get_params(in);
            break;
        case OSSL_FUNC_CORE_NEW_ERROR:
            core->new_error = OSSL_FUNC_core_new_error(in);
            break;
        case OSSL_FUNC_CORE_SET_ERROR_DEBUG:
            core->set_error_debug = OSSL_FUNC_core_set_error_debug(in);
            break;
        case OSSL_FUNC_CORE_VSET_ERROR:
            core->vset_error = OSSL_FUNC_core_vset_error(in);
            break;
        case OSSL_FUNC_CORE_SET_ERROR_MARK:
            core->set_error_mark = OSSL_FUNC_core_set_error_mark(in);
            break;
        case OSSL_FUNC_CORE_CLEAR_LAST_ERROR_MARK:
            core->clear_last_error_mark = OSSL_FUNC_core_clear_last_error_mark(in);
            break;
        case OSSL_FUNC_CORE_POP_ERROR_TO_MARK:
            core->pop_error_to_mark = OSSL_FUNC_core_pop_error_to_mark(in);
            break;
        default:
            break;
        }
    }
}

const char *isprov_core_setting(const struct isprov_core *core, const char *key)
{
    char *value = NULL;
    OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_ptr(key, &value, 0),
                            OSSL_PARAM_construct_end() };

    if (core->get_params == NULL || !core->get_params(core->handle, params)
        || !OSSL_PARAM_modified(&params[0]))
        return NULL;
    return value;
}

/* The number under which register_texts() made our texts known; 0: none. */
static int error_library;
static CRYPTO_ONCE texts_once = CRYPTO_ONCE_STATIC_INIT;

static void register_texts(void)
{
    /* libcrypto keeps pointers into it to the end of the process */
    static ERR_STRING_DATA texts[IOTSAFE_ERR_MAX + 1];
    const int library = ERR_get_next_error_library();

    if (library > ERR_LIB_MASK)
        return; /* more than fits into a code: hundreds of providers were loaded before */
    texts[0] = (ERR_STRING_DATA){ ERR_PACK(library, 0, 0), "iotsafe" };
    for (int i = 1; i < IOTSAFE_ERR_MAX; i++)
        texts[i] = (ERR_STRING_DATA){ ERR_PACK(library, 0, i),
                                      iotsafe_strerror((enum iotsafe_err)i) };
    if (ERR_load_strings(library, texts))
        error_library = library;
}

/* Before 3.5; a core without a version gets the reasons as the manual says. */
static bool frees_texts_too_late(const struct isprov_core *core)
{
    const char *version = isprov_core_setting(core, OSSL_PROV_PARAM_CORE_VERSION);

    return version != NULL && strncmp(version, "3.", 2) == 0 && version[2] >= '0'
           && version[2] < '5' && version[3] == '.';
}

void isprov_core_reasons(struct isprov_core *core, OSSL_ITEM reasons[static IOTSAFE_ERR_MAX])
{
    if (frees_texts_too_late(core) && CRYPTO_THREAD_run_once(&texts_once, register_texts))
        core->error_library = error_library;
    for (unsigned i = 1; i < IOTSAFE_ERR_MAX; i++) {
        const char *text = iotsafe_strerror((enum iotsafe_err)i);

        /* OSSL_ITEM has no const; nobody writes through it. */
        reasons[i - 1] = (OSSL_ITEM){ i, (void *)(uintptr_t)text };
    }
    reasons[IOTSAFE_ERR_MAX - 1] = (OSSL_ITEM){ 0, NULL };
}

/* vset_error() takes its arguments as a va_list. */
__attribute__((format(printf, 3, 4))) static void set_error(const struct isprov_core *core,
                                                            enum iotsafe_err err,
                                                            const char *format, ...)
{
    va_list args;

    va_start(args, format);
    core->vset_error(core->handle, (uint32_t)ERR_PACK(core->error_library, 0, err), format, args);
    va_end(args);
}

void isprov_raise_at(const struct isprov *prov, enum iotsafe_err err, const struct iotsafe_op *op,
                     const char *file, int line, const char *func)
{
    const struct isprov_core *core = &prov->core;
    const struct iotsafe_config *config = atomic_load(&prov->config);

    iotsafe_trace_error(config != NULL ? config : prov->environment, err, op);
    if (core->new_error == NULL || core->vset_error == NULL)
        return;
    core->new_error(core->handle);
    if (core->set_error_debug != NULL)
        core->set_error_debug(core->handle, file, line, func);
    set_error(core, err, "%s", op != NULL ? op->text : "");
}

void isprov_op_set(struct iotsafe_op *op, const char *format, ...)
{
    va_list args;

    if (op == NULL)
        return;
    va_start(args, format);
    vsnprintf(op->text, sizeof(op->text), format, args);
    va_end(args);
    iotsafe_text_clean(op->text); /* perhaps of a key file or a card */
}

void isprov_mark(const struct isprov *prov)
{
    if (prov->core.set_error_mark != NULL)
        prov->core.set_error_mark(prov->core.handle);
}

void isprov_drop(const struct isprov *prov)
{
    if (prov->core.pop_error_to_mark != NULL)
        prov->core.pop_error_to_mark(prov->core.handle);
}

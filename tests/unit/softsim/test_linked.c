/* SPDX-License-Identifier: Apache-2.0 */
/* The library and the software SIM whole in one program: it cannot be linked when both
 * define a symbol. */
#include <criterion/criterion.h>

#include "iotsafe.h"
#include "tlv.h"

Test(softsim_linked, both_work_in_one_program)
{
    struct tlv_list list;

    cr_expect(softsim_tlv_parse((const uint8_t[]){ 0x84, 1, 7 }, 3, &list));
    cr_expect_not_null(softsim_tlv_find(&list, 0x84));
    cr_expect_not_null(iotsafe_strerror(IOTSAFE_ERR_CARD));
}

"""The fast path of streams: order, the end, waiting for room and for items.

Left out: what the pipeline makes of them (test_pipeline).
"""

import anyio

from fleetpatch.engine.concurrency import EagerReceiver, put


async def test_items_are_received_in_order_and_then_the_end() -> None:
    sending, receiving = anyio.create_memory_object_stream[int](3)
    with sending, receiving:
        for number in (1, 2, 3):
            await put(sending, number)
        sending.close()

        assert [number async for number in EagerReceiver(receiving)] == [1, 2, 3]


async def test_no_other_task_runs_while_there_is_an_item_to_receive_and_room_to_send() -> None:
    sending, receiving = anyio.create_memory_object_stream[int](2)
    others_turns = 0

    async def other() -> None:
        nonlocal others_turns
        others_turns += 1

    async with anyio.create_task_group() as tasks, sending, receiving:
        tasks.start_soon(other)
        await put(sending, 1)
        await put(sending, 2)
        items = EagerReceiver(receiving)

        assert [await anext(items), await anext(items)] == [1, 2]
        assert others_turns == 0


async def test_a_full_stream_is_waited_for_and_an_empty_one_too() -> None:
    sending, receiving = anyio.create_memory_object_stream[int](1)
    taken: list[int] = []

    async def take() -> None:
        async with receiving:
            taken.extend([number async for number in EagerReceiver(receiving)])

    async with anyio.create_task_group() as tasks, sending:
        for number in range(5):
            await put(sending, number)
            if number == 0:
                tasks.start_soon(take)

    assert taken == [0, 1, 2, 3, 4]

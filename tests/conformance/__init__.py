"""The listener, gateway and relay as one, judged from both ends over raw sockets.

``stack`` serves them before ``upstream``, which records every byte and reads it as the strictest
server would (``judge``); all run on asyncio, uvloop and trio. Which test shows which row:

====================  ==========================================================================
R1-R3, R5-R26         test_requests, by the name of the row; R4 is HTTP/2
R11 (trusted)         test_requests, tests/protocol/test_trust
R20 (paths), Origin   test_requests; tests/protocol/test_mount, test_origin
R27                   test_requests (our own fields win); no user header is configured yet
B1-B24                test_bodies; B3, B9, B12 on HTTP/2 are not served
W1-W9, W11-W14, W16,  test_websockets; W10 is HTTP/2
W18-W23
W15                   test_websockets (per message), test_abuse (what waits)
W17                   test_abuse
close codes           test_websockets (both ways), tests/protocol/test_closing
I1-I7                 test_desync over ``corpus``: 137 payloads
slow, bombs, floods   test_abuse, with memory measured and a good client served meanwhile
T9, T18, T20          test_abuse, tests/gateway/server/test_addresses
V01-V19               tests/gateway/server/test_vectors
users, hosts          test_users
any bytes             test_fuzz: hypothesis, and every cut of the corpus byte by byte
====================  ==========================================================================
"""

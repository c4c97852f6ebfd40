"""What a client of the wallet does here: one story, and payments under load that are repeated until they are answered."""

import collections
import http.client
import json
import pathlib
import socket
import threading
import time
import urllib.parse
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[1]
SERVICES = ("user", "wallet", "transaction", "payment", "gateway")
PASSWORD = "correct horse battery"
ATTEMPT_LIMIT_S = 10
ROLLOUT_LIMIT_S = 300
# A payment that has no answer by then has failed for good, whatever is being broken.
ANSWER_LIMIT_S = 180


class Failed(Exception):
    """Something that must hold does not."""


def must(holds, sentence):
    if not holds:
        raise Failed(sentence)


def say(text):
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(url):
    try:
        return Api(url).call("GET", "/health")[0] == 200
    except (OSError, http.client.HTTPException, ValueError):
        return False


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(holds, what, limit=ROLLOUT_LIMIT_S):
    deadline = time.monotonic() + limit
    while not holds():
        must(time.monotonic() < deadline, f"{what}: not within {limit} s")
        time.sleep(0.5)


# --- A client ---


class Api:
    """One connection to the gateway. `url` may be a function, because a port-forward moves."""

    def __init__(self, url, token=None):
        self.url, self.token, self.connection = url if callable(url) else lambda: url, token, None

    def call(self, method, path, body=None, key=None):
        """(status, body). Raises OSError or HTTPException when there was no answer."""
        headers = {"content-type": "application/json"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        if key:
            headers["idempotency-key"] = key
        try:
            if self.connection is None:
                address = urllib.parse.urlsplit(self.url())
                self.connection = http.client.HTTPConnection(address.hostname, address.port or 80, timeout=ATTEMPT_LIMIT_S)
            self.connection.request(method, f"/api/v1{path}", None if body is None else json.dumps(body), headers)
            answer = self.connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        except (OSError, http.client.HTTPException, ValueError):
            self.close()
            raise

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def expect(self, status, method, path, body=None, key=None):
        got, answer = self.call(method, path, body, key)
        must(got == status, f"{method} {path}: {got} {answer}, not {status}")
        return answer

    def insist(self, method, path, body=None, key=None):
        """Repeats until there is an answer that is not a failure of the system. Returns (status, body, failures on the way)."""
        key = key or (str(uuid.uuid4()) if method == "POST" else None)
        failures, deadline = [], time.monotonic() + ANSWER_LIMIT_S
        while True:
            try:
                status, answer = self.call(method, path, body, key)
                if status < 500 and status not in (409, 429):
                    return status, answer, failures
                failures.append(str(status))
            except (OSError, http.client.HTTPException, ValueError) as error:
                failures.append(type(error).__name__)
            must(time.monotonic() < deadline, f"{method} {path}: no answer in {ANSWER_LIMIT_S} s: {collections.Counter(failures)}")
            time.sleep(0.2)


class Person:
    """A user with a wallet that has money in it."""

    def __init__(self, url, name, money):
        self.api, self.email = Api(url), f"{name.lower()}-{uuid.uuid4().hex[:12]}@example.com"
        body = {"name": name, "email": self.email, "phone": "081234567890", "password": PASSWORD}
        status, answer, _ = self.api.insist("POST", "/auth/register", body)
        must(status == 201, f"registration: {status} {answer}")
        self.id, self.api.token = answer["user"]["id"], answer["token"]
        status, answer, _ = self.api.insist("POST", "/wallets", {})
        must(status == 201, f"wallet: {status} {answer}")
        self.wallet, self.money = answer["wallet"]["id"], money
        if money:
            status, answer, _ = self.api.insist("POST", f"/wallets/{self.wallet}/topup", {"amount": money})
            must(status == 200, f"top-up: {status} {answer}")

    def balance(self):
        status, answer, _ = self.api.insist("GET", f"/wallets/{self.wallet}/balance")
        must(status == 200, f"balance: {status} {answer}")
        return answer["balance"]


# --- The story ---


def story(url):
    """Two users, through every service, and what each sees of it."""
    ani, budi = Person(url, "Ani", 100_000), Person(url, "Budi", 0)
    login = Api(url).expect(200, "POST", "/auth/login", {"email": ani.email, "password": PASSWORD})
    ani.api.token = login["token"]
    pay = {"wallet_id": ani.wallet, "merchant": "Tokopedia", "amount": 30_000}
    key = str(uuid.uuid4())
    first = ani.api.expect(201, "POST", "/payments/pay", pay, key)
    must(ani.api.expect(201, "POST", "/payments/pay", pay, key) == first, "a repeat gets the first answer")
    ani.api.expect(422, "POST", "/payments/pay", {**pay, "amount": 1}, key)
    ani.api.expect(201, "POST", "/payments/transfer", {"from_wallet_id": ani.wallet, "to_user_id": budi.id, "amount": 20_000})
    ani.api.expect(400, "POST", "/payments/pay", {**pay, "amount": 50_001})
    must((ani.balance(), budi.balance()) == (50_000, 20_000), "both balances")
    seen = ani.api.expect(200, "GET", "/transactions")["transactions"]
    must([entry["type"] for entry in seen] == ["transfer", "payment", "topup"], f"the sender's history: {seen}")
    must(seen[1]["description"] == "Payment to Tokopedia", f"the payment's description: {seen[1]}")
    seen = budi.api.expect(200, "GET", "/transactions")["transactions"]
    must([(entry["type"], entry["amount"]) for entry in seen] == [("transfer", 20_000)], f"the receiver's history: {seen}")
    figures = ani.api.expect(200, "GET", "/transactions/stats")
    wanted = {"total_transactions": 3, "total_topup": 100_000, "total_payment": 30_000, "total_transfer": 20_000, "net_amount": 50_000}
    must(wanted.items() <= figures.items(), f"statistics: {figures}")
    payments = ani.api.expect(200, "GET", "/payments")["payments"]
    must([payment["id"] for payment in payments][-1] == first["payment"]["id"], f"payments: {payments}")
    budi.api.expect(403, "GET", f"/wallets/{ani.wallet}")
    Api(url).expect(401, "GET", "/wallets")
    budi.api.expect(200, "DELETE", f"/users/{budi.id}")
    deadline = time.monotonic() + 2.5
    while budi.api.call("GET", "/wallets")[0] != 401:
        must(time.monotonic() < deadline, "a deleted user's token works for longer than two seconds")
        time.sleep(0.1)
    say("the story: registered, paid, transferred, refused, deleted: as the contract says")


# --- Load ---


class Load:
    """Payers that pay, each payment with a key and repeated until it is answered."""

    MONEY = 1_000_000_000

    def __init__(self, url, payers):
        self.stop, self.lock, self.during = threading.Event(), threading.Lock(), "before"
        self.accepted, self.failures, self.broken = collections.defaultdict(list), collections.defaultdict(collections.Counter), []
        self.count = collections.Counter()
        self.people = [Person(url, f"Payer{at}", self.MONEY) for at in range(payers)]
        self.threads = [threading.Thread(target=self.pay, args=(person,), daemon=True) for person in self.people]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def pay(self, person):
        at = 0
        while not self.stop.is_set():
            at += 1
            key, amount = str(uuid.uuid4()), at % 97 + 1
            body = {"wallet_id": person.wallet, "merchant": "Warung", "amount": amount}
            try:
                status, answer, failures = person.api.insist("POST", "/payments/pay", body, key)
                must(status == 201, f"payment: {status} {answer}, after {failures}")
            except Exception as error:  # Whatever it is: a payer who stops without a word would spoil the count.
                self.broken.append(f"{type(error).__name__}: {error}")
                say(f"  a payer stops: {self.broken[-1]}")
                return
            with self.lock:
                self.accepted[person].append((key, amount, answer["payment"]["id"], body))
                self.count[self.during] += 1
                self.failures[self.during].update(failures)

    def call_it(self, what):
        with self.lock:
            self.during = what

    def report(self):
        for what, payments in self.count.items():
            bad = dict(self.failures[what])
            say(f"  {what}: {payments} payments" + (f"; attempts that failed and were repeated: {bad}" if bad else "; not one attempt failed"))

    def check(self):
        """Nothing that was accepted is lost or doubled."""
        must(not self.broken, f"payments that were never answered: {self.broken}")
        total = 0
        for person, payments in self.accepted.items():
            ids = [payment for _, _, payment, _ in payments]
            must(len(ids) == len(set(ids)), "one payment was given to two keys")
            spent = sum(amount for _, amount, _, _ in payments)
            must(person.balance() == self.MONEY - spent, f"balance {person.balance()}, but {self.MONEY} - {spent} was accepted")
            for key, _, payment, body in payments[:: max(1, len(payments) // 50)]:
                status, answer, _ = person.api.insist("GET", f"/payments/{payment}")
                must(status == 200 and answer["payment"]["amount"] == body["amount"], f"payment {payment}: {status} {answer}")
                status, answer, _ = person.api.insist("POST", "/payments/pay", body, key)
                must(status == 201 and answer["payment"]["id"] == payment, f"repeated, payment {payment} became {answer}")
            must(person.balance() == self.MONEY - spent, "repeating moved money")
            total += len(payments)
        say(f"{total} accepted payments: each is there once, and every balance is what they make it")

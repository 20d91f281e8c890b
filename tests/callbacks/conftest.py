from tests.walker import nobody, run  # noqa: F401 -- fixtures

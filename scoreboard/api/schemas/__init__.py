"""The shapes of all bodies, by resource: handlers validate what comes in with them, and the OpenAPI
document is made from them. They know no request and no handler.
"""

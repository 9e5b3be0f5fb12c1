export { tokenStoreContract, type ContractCase, type OpenTokenStore } from './token-store-contract.ts'
